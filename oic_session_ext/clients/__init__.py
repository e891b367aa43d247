"""Clients: their registered URIs, metadata and keys, and the rules that registration and logout share."""
