"""Client authentication and registration at the pyoidc seam."""
