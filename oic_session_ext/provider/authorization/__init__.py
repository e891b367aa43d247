"""The authorization endpoint (OIDCC-3.1.2)."""
