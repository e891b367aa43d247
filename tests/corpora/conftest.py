"""One bundled server for all tests of a module: none of them leaves anything behind that another could meet."""

from __future__ import annotations

import pytest

from tests.bundled_op import Op, keys_file, make_settings

__all__ = ["keys_file"]

REGISTERED = "https://web.example.com/cb"
"""The URI that the corpora are written around, registered for sign-in and for logout."""


@pytest.fixture(scope="module")
def op(keys_file: str) -> Op:
    client = {
        "client_id": "web",
        "client_secret": "secret of web",
        "redirect_uris": [REGISTERED],
        "post_logout_redirect_uris": [REGISTERED],
        "response_types": ["code", "code id_token"],
        "grant_types": ["authorization_code", "implicit"],
        "consent": "skip",
    }
    return Op.build(make_settings(keys_file, clients=[client], registration={"mode": "open", "max_per_address": 1000}))
