"""Start, supervision and shutdown of the bundled server."""
