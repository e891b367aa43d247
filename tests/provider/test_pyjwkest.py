"""pyjwkest is unmaintained: nothing that comes from outside reaches its signatures and its encryption."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import jwkest.jwk
from joserfc.jwk import ECKey
from jwkest.jws import JWS

from tests.bundled_op import CLIENTS, OUT_URIS, Op, keys_file, make_op

__all__ = ["keys_file", "make_op"]

FOLDER = Path(jwkest.jwk.__file__).parent
HARMLESS = {"__init__.py", "jwk.py", "ecc.py", "curves.py"}
"""Keys as values and their JSON, and the encoding of bytes."""
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect the files of pyjwkest that a function is called in meanwhile."""
    reached: set[str] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and FOLDER in file.parents and frame.f_code.co_name != "<module>":
            reached.add(file.relative_to(FOLDER).as_posix())

    sys.setprofile(watch)
    try:
        yield reached
    finally:
        sys.setprofile(None)


def test_no_flow_reaches_more_of_it_than_its_keys(make_op: Callable[..., Op]) -> None:
    with watched() as reached:
        browser = make_op(registration={"mode": "open"}).browser()
        tokens = browser.sign_in(scope="openid offline_access", prompt="login consent")
        hint = tokens["id_token"]
        browser.renew("web", id_token_hint=hint)
        browser.renew("web", response_type="code id_token token")
        browser.authorize("web", request=hint)
        browser.userinfo(tokens["access_token"])
        browser.userinfo(hint)
        browser.refresh(tokens["refresh_token"])
        browser.as_client("web", "/introspection", {"token": hint})
        browser.as_client("spa", "/token", {"grant_type": "authorization_code", "client_assertion_type": BEARER, "client_assertion": hint})
        browser.get("/jwks.json")
        browser.end_session(id_token_hint=hint, post_logout_redirect_uri=OUT_URIS["web"])

    assert reached <= HARMLESS


def test_nor_does_what_is_encrypted_to_a_client(make_op: Callable[..., Op]) -> None:
    algs = {"id_token_encrypted_response_alg": "ECDH-ES", "userinfo_encrypted_response_alg": "ECDH-ES"}
    encrypted = CLIENTS[0] | algs | {"jwks": {"keys": [ECKey.generate_key("P-256").as_dict(private=False) | {"use": "enc"}]}}

    with watched() as reached:
        browser = make_op(clients=[encrypted]).browser()
        tokens = browser.sign_in()
        told = browser.userinfo(tokens["access_token"])
        browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"])

    assert tokens["id_token"].count(".") == told.text.count(".") == 4
    assert reached <= HARMLESS


def test_it_would_be_seen() -> None:
    with watched() as reached:
        JWS("{}", alg="none").sign_compact([])

    assert "jws.py" in reached
