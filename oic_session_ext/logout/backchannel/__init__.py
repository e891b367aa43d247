"""Back-Channel Logout 1.0: Logout Tokens, and their delivery to RPs with deadlines, retries and circuit breakers."""
