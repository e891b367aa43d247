"""The Redis and Valkey store engine."""
