"""pyoidc's session database on our store: the rows of grants, and sealed codes and tokens."""
