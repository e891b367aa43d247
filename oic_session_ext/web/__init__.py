"""Parsers and guards for untrusted input: URIs, origins, parameters, addresses, fetched documents, request rates."""
