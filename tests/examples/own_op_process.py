"""Runs an OP of `examples/own_op` as its own process, and plays the browser and the client in front of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from oic_session_ext.crypto import jose
from tests.examples.rp_process import free_port, wait_until_it_answers

ROOT = Path(__file__).resolve().parents[2]
OWN_OP = ROOT / "examples" / "own_op"
CALLBACK = "http://localhost:8091/callback"
BYE = "http://localhost:8091/bye"
CLIENT = ("shop", "the+shop%27s+secret")  # form-encoded, as RFC 6749, 2.3.1 wants the parts of HTTP Basic
STOCK_CLIENT = ("shop", "the shop's secret")  # pyoidc takes them as they come
PASSWORDS = {"alice": "wonderland", "bob": "builder"}
_LOGINS_TRIED = 200


@dataclass
class OwnOp:
    """A running OP: its script, its address, its data folder and what it has logged."""

    script: Path
    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def is_stock(self) -> bool:
        """Whether pyoidc's own token endpoint answers."""
        return "HardeningMixin" not in self.script.read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        return (self.data / "log").read_text(encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(OWN_OP)])}
        return os.environ | paths | {"OWN_OP_PORT": str(self.port), "OWN_OP_DATA": str(self.data)}

    def start(self) -> None:
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(self.script)], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until_it_answers(f"{self.issuer}/.well-known/openid-configuration")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(10)

    def configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=5).json()
        return found

    def redeem(self, code: str) -> requests.Response:
        """What the client gets for a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return requests.post(f"{self.issuer}/token", form, auth=STOCK_CLIENT if self.is_stock else CLIENT, timeout=5)

    def userinfo(self, access_token: str) -> requests.Response:
        return requests.get(f"{self.issuer}/userinfo", headers={"Authorization": f"Bearer {access_token}"}, timeout=5)

    def claims(self, id_token: str) -> dict[str, Any]:
        """The claims of an ID Token that a published key has signed."""
        jwks = requests.get(self.configuration()["jwks_uri"], timeout=5).json()
        return dict(jose.verify(id_token, [jose.import_key(key) for key in jwks["keys"]], {"RS256"}).claims)


@contextmanager
def serving_own_op(script: Path, data: Path) -> Iterator[OwnOp]:
    """Start the OP of a script, on a signing key that is there already; gives it once it answers."""
    (data / "sign.pem").write_text(_signing_key(), encoding="ascii")
    (data / "sign.pem").chmod(0o600)
    op = OwnOp(script, data)
    try:
        op.start()
        yield op
    finally:
        op.stop()


@cache
def _signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # what pyoidc takes seconds for
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class Browser(requests.Session):
    """One person's browser: keeps cookies, shows where a redirect leads instead of following it."""

    def __init__(self, op: OwnOp) -> None:
        super().__init__()
        self.op = op
        self.return_from_login = ""

    def visit(self, path: str, **params: str) -> requests.Response:
        return self.get(self.op.issuer + path, params=params, allow_redirects=False, timeout=5)

    def authorize(self, **params: str) -> requests.Response:
        """Come from the client with an authorization request."""
        asked = {
            "client_id": "shop",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid email",
            "state": "a b&c",
            "nonce": "n",
        }
        return self.visit("/authorization", **asked | params)

    def submit_login(self, page: requests.Response, user: str, password: str | None = None) -> requests.Response:
        """Fill the login page's form in and send it."""
        form = fields_of(page.text) | {"user": user, "password": password or PASSWORDS[user]}
        return self.post(f"{self.op.issuer}/verify", form, allow_redirects=False, timeout=5)

    def answer_login(self, page: requests.Response, user: str) -> dict[str, str]:
        """Sign in on a login page; gives what the client is answered."""
        for _ in range(_LOGINS_TRIED):
            self.return_from_login = self.submit_login(page, user).headers["Location"]
            page = self.visit(self.return_from_login)
            if page.is_redirect:
                return answer_in(page)
            # the same user's second login of one second, anywhere: pyoidc's cookie knows no finer time, so the OP asks again
        raise AssertionError("the login page comes back for ever")

    def sign_in(self, user: str = "alice", **params: str) -> dict[str, str]:
        """Come from the client and sign in; gives what the client is answered."""
        return self.answer_login(self.authorize(**params), user)

    def tokens(self, user: str = "alice") -> dict[str, Any]:
        """Sign in, and let the client redeem its code."""
        found: dict[str, Any] = self.op.redeem(self.sign_in(user)["code"]).json()
        return found

    def silently(self, **params: str) -> dict[str, str]:
        """What the client is answered when nobody may be asked anything."""
        return answer_in(self.authorize(prompt="none", **params))

    def log_out(self, id_token: str) -> requests.Response:
        return self.visit("/end_session", id_token_hint=id_token, post_logout_redirect_uri=BYE, state="x y&z")


def answer_in(response: requests.Response) -> dict[str, str]:
    """The parameters that a redirect to the client carries."""
    location = response.headers["Location"]
    assert location.startswith((f"{CALLBACK}?", f"{BYE}?")), location
    return dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))


def fields_of(html: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found: dict[str, str] = {}
    parser = HTMLParser()

    def handle(tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "input" and given.get("type") == "hidden":
            found[given["name"] or ""] = given.get("value") or ""

    parser.handle_starttag = handle  # type: ignore[assignment, method-assign]
    parser.feed(html)
    return found
