"""One request at the pyoidc seam: its scope, its browser, its transaction, its response."""
