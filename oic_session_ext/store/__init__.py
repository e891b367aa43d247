"""Where sessions, grants, clients, consents and notices are kept: one contract, several engines."""
