"""The in-memory store engine, for tests and for trying out."""
