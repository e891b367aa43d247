"""A scripted OP on loopback HTTP: tests say what it answers, and read what it was asked.

It is no OP: it checks PKCE and remembers requests, and signs whatever claims a test wants, right or wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

IFRAME_PAGE = b"<!DOCTYPE html><title>fake OP iframe</title><script src='/check_session.js'></script>"
# Asks the test process what to answer; "silence" answers nothing.
IFRAME_SCRIPT = b"""
window.addEventListener("message", async (event) => {
  const answer = await (await fetch("/poll", { method: "POST", body: event.data })).text();
  if (answer !== "silence") { event.source.postMessage(answer, event.origin); }
});
"""


class FakeOp:
    """The OP's state, changed by tests while it serves. `with FakeOp.serving() as op:` starts one on a free port."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.stopped = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Be as new, with the same address and key: alice is signed in, every answer is right, nothing was asked yet."""
        self.signing_key = self.key  # another one makes signatures that its JWKS does not vouch for
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "k1"}
        self.sub: str | None = "alice-sub"  # None: nobody is signed in
        self.claims: dict[str, Any] = {}  # laid over the right ones; None as a value leaves a claim out
        self.answer: dict[str, str | None] = {}  # laid over the authorization answer, likewise
        self.metadata: dict[str, Any] = {}  # laid over the discovery document, likewise
        self.session_states: Iterator[str] = (f"state{n}.salt" for n in range(1000))
        self.iframe_answers: list[str] = []  # the next answers of the OP iframe; the last one repeats
        self.authorize_hangs = False
        self.session_status: tuple[int, Any] = (200, {"status": "live"})  # what a client's server is told of a `sid`

        self.authorize_requests: list[dict[str, str]] = []
        self.token_requests: list[dict[str, str]] = []
        self.end_session_requests: list[dict[str, str]] = []
        self.jwks_requests = 0
        self.iframe_loads = 0
        self.polls: list[str] = []
        self.status_requests: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[FakeOp]:
        op = cls()
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"op": op}))
        server.daemon_threads = True
        op.issuer = f"http://localhost:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield op
        finally:
            op.stopped.set()
            server.shutdown()
            server.server_close()

    def discovery(self) -> dict[str, Any]:
        """The metadata that the issuer publishes."""
        paths = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "jwks_uri": "/jwks",
            "userinfo_endpoint": "/userinfo",
            "check_session_iframe": "/check_session",
            "end_session_endpoint": "/end_session?tenant=1",
        }
        return _overlaid({"issuer": self.issuer, **{name: self.issuer + path for name, path in paths.items()}}, self.metadata)

    def authorize(self, request: dict[str, str]) -> str:
        """Answer an authentication request at once; the location to go to."""
        self.authorize_requests.append(request)
        answer: dict[str, str | None] = {"state": request["state"], "session_state": next(self.session_states)}
        if self.sub is None:
            answer["error"] = "login_required"
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code] = request
            answer["code"] = code
        return request["redirect_uri"] + "?" + urlencode(_overlaid(answer, self.answer))

    def token(self, request: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Redeem a code: status and JSON."""
        self.token_requests.append(request)
        asked = self._codes.pop(request.get("code", ""), None)
        verifier = base64.urlsafe_b64encode(hashlib.sha256(request["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != verifier or asked["redirect_uri"] != request["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "at-1", "token_type": "Bearer", "id_token": self.id_token(asked), "expires_in": 60}

    def id_token(self, asked: dict[str, str]) -> str:
        """Sign the ID Token of an authentication request, with a test's `claims` laid over."""
        now = int(time.time())
        right = {
            "iss": self.issuer,
            "sub": self.sub,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "auth_time": 1_700_000_000,
            "sid": "sid-1",
        }
        return jwt.encode(self.header, _overlaid(right, self.claims), self.signing_key, algorithms=[self.header["alg"]])

    def logout_token(self, *, header: dict[str, Any] | None = None, client_id: str = "client a", **claims: Any) -> str:
        """Sign a Logout Token, with a test's `header` and `claims` laid over the right ones."""
        now = int(time.time())
        right = {
            "iss": self.issuer,
            "aud": client_id,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_urlsafe(16),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            "sub": "alice-sub",
            "sid": "sid-1",
        }
        headers = _overlaid({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}, header or {})
        return jwt.encode(headers, _overlaid(right, claims), self.signing_key, algorithms=[headers["alg"]], default_type=None)

    def poll(self, message: str) -> str:
        """What the OP iframe answers to `message`."""
        self.polls.append(message)
        if not self.iframe_answers:
            return "unchanged"
        return self.iframe_answers.pop(0) if len(self.iframe_answers) > 1 else self.iframe_answers[0]


def _overlaid(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


class _Handler(BaseHTTPRequestHandler):
    op: FakeOp

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if url.path == "/.well-known/openid-configuration":
            self._json(200, self.op.discovery())
        elif url.path == "/jwks":
            self.op.jwks_requests += 1
            self._json(200, {"keys": [self.op.key.as_dict(private=False)]})
        elif url.path == "/authorize":
            location = self.op.authorize(query)
            if self.op.authorize_hangs:
                self.op.stopped.wait()  # the browser has gone by then, so there is nobody to answer
            else:
                self._answer(303, b"", "text/plain", {"Location": location})
        elif url.path == "/userinfo":
            self._json(200, {"sub": self.op.sub, "name": f"<{self.op.sub}> the tester"})
        elif url.path == "/check_session":
            self.op.iframe_loads += 1
            self._answer(200, IFRAME_PAGE, "text/html")
        elif url.path == "/check_session.js":
            self._answer(200, IFRAME_SCRIPT, "text/javascript")
        elif url.path == "/end_session":
            self.op.end_session_requests.append(query)
            back = query["post_logout_redirect_uri"] + "?" + urlencode({"state": query["state"]})
            self._answer(303, b"", "text/plain", {"Location": back})
        else:
            self._answer(404, b"", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/token":
            request = {name: values[0] for name, values in parse_qs(body).items()}
            status, answer = self.op.token({"authorization": self.headers.get("Authorization", ""), **request})
            self._json(status, answer)
        elif self.path == "/session_status":
            request = {name: values[0] for name, values in parse_qs(body).items()}
            self.op.status_requests.append({"authorization": self.headers.get("Authorization", ""), **request})
            self._json(*self.op.session_status)
        else:
            self._answer(200, self.op.poll(body).encode(), "text/plain")

    def log_message(self, *args: Any) -> None:
        """Say nothing: the tests read what was asked."""

    def _json(self, status: int, value: dict[str, Any]) -> None:
        self._answer(status, json.dumps(value).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
