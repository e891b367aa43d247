"""The in-memory store engine, for tests and trials."""
