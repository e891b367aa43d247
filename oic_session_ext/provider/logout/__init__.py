"""The end-session endpoint, the session status endpoint and the delivery of Logout Tokens."""
