"""The SQL store engine: SQLite and PostgreSQL."""
