"""The token, userinfo, revocation and introspection endpoints, and the tokens themselves."""
