"""How the tables of a SQL database came to be what they are, step by step; run by `sql_schema.py`, read by alembic."""
