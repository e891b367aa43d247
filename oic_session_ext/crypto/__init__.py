"""JOSE, secrets, random ids and private files."""
