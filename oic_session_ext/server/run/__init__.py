"""How the bundled server starts, runs as several processes, and stops."""
