"""The registered clients, in the form of pyoidc's client database."""

from __future__ import annotations

CLIENTS = {
    "shop": {
        "client_id": "shop",
        "client_name": "The shop",
        "client_secret": "the shop's secret",
        "client_salt": "shop",
        "token_endpoint_auth_method": "client_secret_basic",
        "response_types": ["code"],
        "id_token_signed_response_alg": "RS256",
        "redirect_uris": [("http://localhost:8091/callback", None)],
        "post_logout_redirect_uris": [("http://localhost:8091/bye", None)],
    },
}
