"""Good flows, request by request: each is a generator that yields a request and is sent the answer, so that others can spoil every step."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from random import Random
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.bundled_op import OUT_URIS, REDIRECT_URIS, SECRETS, VERIFIER, basic, request_of
from tests.flows.machines.hostile_request import Request
from tests.wsgi_browser import Answer

Flow: TypeAlias = Generator[Request, Answer, None]
Step: TypeAlias = Generator[Request, Answer, Answer]


PASSWORDS = {f"user{number}": f"password of user{number}" for number in range(20)}
"""Enough users that those whose sign-in is closed for a while, by too many failures, leave some."""

_REQUEST_KEY = ECKey.generate_key("P-256")
REQUEST_JWKS = {"keys": [_REQUEST_KEY.as_dict(private=False)]}
"""The key that `asking` signs its request objects with."""


class Visitor:
    """A browser with its cookies and its address, and the RPs that it uses."""

    def __init__(self, chance: Random, origin: str, metrics_token: str) -> None:
        self.chance = chance
        self.origin = origin
        self.metrics_token = metrics_token
        self.jar: dict[str, str] = {}
        self.address = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
        self.tokens: dict[str, Any] = {}

    def keep(self, answer: Answer) -> None:
        """Take the cookies of an answer up."""
        for name, header in answer.cookies.items():
            value = header.partition(";")[0].partition("=")[2]
            if "Max-Age=0" in header:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value

    def get(self, target: str, **query: str) -> Request:
        """The request for a page."""
        parts = urlsplit(target)
        pairs = [*parse_qsl(parts.query, keep_blank_values=True), *query.items()]
        made = Request("GET", parts.path, query=list(pairs), cookies=list(self.jar.items()))
        made.headers = [("X-Forwarded-For", self.address), ("Sec-Fetch-Site", self.chance.choice(["none", "cross-site", "same-origin"]))]
        return made

    def submit(self, page: Answer, button: str = "", **fields: str) -> Request:
        """The request of a page's form, sent by one of its buttons."""
        form = page.form
        values = form.fields | fields | ({button: form.buttons[button]} if button else {})
        made = Request("POST", form.action, form=list(values.items()), cookies=list(self.jar.items()))
        made.headers = [("X-Forwarded-For", self.address), ("Sec-Fetch-Site", "same-origin"), ("Origin", self.origin)]
        return made

    def as_client(self, client_id: str, path: str, **form: str) -> Request:
        """The request of a client's server."""
        if client_id in SECRETS:
            authorization = [("Authorization", basic(client_id, SECRETS[client_id]))]
        else:
            authorization, form = [], {"client_id": client_id} | form
        return Request("POST", path, form=list(form.items()), headers=[*authorization, ("X-Forwarded-For", self.address)])

    def bearing(self, method: str, path: str, token: str, **query: str) -> Request:
        """A request with an access token."""
        return Request(
            method, path, query=list(query.items()), headers=[("Authorization", f"Bearer {token}"), ("X-Forwarded-For", self.address)]
        )

    def follow(self, answer: Answer) -> Step:
        """Follow redirects within the OP."""
        while 300 <= answer.status < 400 and answer.location.startswith("/"):
            answer = yield self.get(answer.location)
        return answer


def sign_in(visitor: Visitor, client_id: str = "", **changes: str | None) -> Step:
    """Sign in at a client, by the login page when it is shown and through the consent page when it asks; the last answer."""
    client_id = client_id or visitor.chance.choice(["web", "web", "asking", "spa"])
    user = visitor.chance.choice(list(PASSWORDS))
    request = visitor.get("/authorization", **request_of(client_id, **changes))
    if visitor.chance.random() < 0.1:
        request.method, request.form, request.query = "POST", request.query, []
    answer = yield from visitor.follow((yield request))
    if answer.is_page() and answer.status == 200 and b'name="password"' in answer.body:
        if "continue" in answer.form.buttons and visitor.chance.random() < 0.5:
            answer = yield from visitor.follow((yield visitor.submit(answer, "continue")))
        else:
            answer = yield from visitor.follow((yield visitor.submit(answer, username=user, password=PASSWORDS[user])))
    if answer.is_page() and b'name="allow"' in answer.body:
        answer = yield from visitor.follow((yield visitor.submit(answer, visitor.chance.choice(["allow", "allow", "allow", "deny"]))))
    return answer


def _redeemed(visitor: Visitor, client_id: str, **changes: str | None) -> Step:
    answer = yield from sign_in(visitor, client_id, **changes)
    code = {**answer.query, **answer.fragment}.get("code", "")
    proof = {"code_verifier": VERIFIER} if client_id == "spa" else {}
    tokens = yield visitor.as_client(
        client_id, "/token", grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URIS[client_id], **proof
    )
    if tokens.status == 200:
        visitor.tokens = tokens.json
    return tokens


def _whole_visit(visitor: Visitor) -> Flow:
    client_id = visitor.chance.choice(["web", "web", "asking", "spa"])
    yield from _redeemed(visitor, client_id, **_options(visitor.chance, client_id))
    yield from _use_tokens(visitor, client_id)
    yield from _watch(visitor, client_id)
    yield from _sign_out(visitor, client_id)


def _options(chance: Random, client_id: str) -> dict[str, str | None]:
    options: dict[str, str | None] = {}
    if chance.random() < 0.5:
        options |= {"prompt": chance.choice(["login", "consent", "login consent"]), "scope": "openid profile email offline_access"}
    if client_id == "web" and chance.random() < 0.5:
        options |= {"response_type": chance.choice(["code id_token", "code token", "code id_token token"])}
    for name, value in {
        "max_age": "60",
        "login_hint": "alice",
        "ui_locales": "de en",
        "display": "page",
        "acr_values": "1 2",
        "response_mode": "form_post",
        "claims": json.dumps({"userinfo": {"email": None}, "id_token": {"auth_time": {"essential": True}}}),
    }.items():
        if chance.random() < 0.15:
            options[name] = value
    return options


def _use_tokens(visitor: Visitor, client_id: str) -> Flow:
    tokens = visitor.tokens
    access_token = tokens.get("access_token", "x")
    yield visitor.bearing("GET", "/userinfo", access_token)
    by_form = visitor.as_client("spa", "/userinfo", access_token=access_token)
    by_form.form = by_form.form[1:] if by_form.form else None
    yield by_form
    yield visitor.as_client(client_id, "/introspection", token=access_token, token_type_hint="access_token")
    if "refresh_token" in tokens:
        renewed = yield visitor.as_client(
            client_id, "/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope="openid"
        )
        if renewed.status == 200:
            yield visitor.as_client(client_id, "/revocation", token=renewed.json.get("refresh_token", "x"), token_type_hint="refresh_token")
    if visitor.chance.random() < 0.3:
        yield visitor.as_client(client_id, "/revocation", token=access_token, token_type_hint="access_token")


def _watch(visitor: Visitor, client_id: str) -> Flow:
    hint = visitor.tokens.get("id_token", "x")
    renewed = yield visitor.get("/authorization", **request_of(client_id, prompt="none", id_token_hint=hint))
    state = {**renewed.query, **renewed.fragment}.get("session_state", "x")
    asked = Request("POST", "/check_session_status", headers=[("Origin", visitor.origin), ("X-Forwarded-For", visitor.address)])
    origin = REDIRECT_URIS[client_id].rpartition("/")[0]
    asked.form = [("client_id", client_id), ("session_state", state), ("origin", origin)]
    yield asked
    yield visitor.as_client(client_id, "/session_status", sid=visitor.chance.choice(["x", hint]))


def _sign_out(visitor: Visitor, client_id: str) -> Flow:
    hint = visitor.tokens.get("id_token", "")
    params = {"client_id": client_id, "post_logout_redirect_uri": OUT_URIS[client_id], "state": "s", "ui_locales": "de"}
    if hint and visitor.chance.random() < 0.5:
        params["id_token_hint"] = hint
    request = visitor.get("/end_session", **params)
    if visitor.chance.random() < 0.3:
        request.method, request.form, request.query = "POST", request.query, []
        if visitor.chance.random() < 0.5:
            request.cookies = []  # as a cross-site form comes
    answer = yield from visitor.follow((yield request))
    if answer.is_page() and b'name="confirmation"' in answer.body:
        answer = yield from visitor.follow((yield visitor.submit(answer, visitor.chance.choice(["logout", "logout", "stay"]))))
    yield visitor.get("/")


def _choose_account(visitor: Visitor) -> Flow:
    yield from sign_in(visitor, "web")
    yield from sign_in(visitor, visitor.chance.choice(["web", "asking"]), prompt="select_account", ui_locales="de")
    yield from sign_in(visitor, "asking", prompt="login select_account")


def _implicit(visitor: Visitor) -> Flow:
    response_type = visitor.chance.choice(["id_token", "id_token token"])
    answer = yield from sign_in(
        visitor, "web", response_type=response_type, response_mode=visitor.chance.choice([None, "form_post", "fragment"])
    )
    visitor.tokens = dict(answer.fragment)
    yield from _sign_out(visitor, "web")


def _registered(visitor: Visitor) -> Flow:
    metadata: dict[str, Any] = {
        "redirect_uris": [f"https://rp{visitor.chance.randrange(100)}.example.com/cb"],
        "client_name": "An <RP> of somebody's",
        "post_logout_redirect_uris": ["https://rp.example.com/out"],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
        "contacts": ["somebody@example.com"],
        "client_uri": "https://rp.example.com/",
        "logo_uri": "https://rp.example.com/logo.png",
        "subject_type": visitor.chance.choice(["public", "pairwise"]),
        "token_endpoint_auth_method": visitor.chance.choice(["client_secret_basic", "client_secret_post", "client_secret_jwt"]),
    }
    if visitor.chance.random() < 0.2:
        metadata["initiate_login_uri"] = "https://rp.example.com/login"
    answer = yield Request("POST", "/registration", json=metadata, headers=[("X-Forwarded-For", visitor.address)])
    if answer.status != 201:
        return
    client = answer.json
    client_id, token = client["client_id"], client["registration_access_token"]
    yield visitor.bearing("GET", "/registration", token, client_id=client_id)
    request = visitor.bearing("PUT", "/registration", token, client_id=client_id)
    request.json = metadata | {"client_id": client_id, "client_name": "Another name"}
    yield request
    yield visitor.get("/", client_id=client_id)
    redirect_uri = metadata["redirect_uris"][0]
    answer = yield from sign_in(visitor, client_id, redirect_uri=redirect_uri, scope="openid email")
    secrets = {"client_id": client_id, "client_secret": client["client_secret"]}
    yield Request(
        "POST",
        "/token",
        form=list(
            {"grant_type": "authorization_code", "code": answer.query.get("code", "x"), "redirect_uri": redirect_uri, **secrets}.items()
        ),
    )
    yield visitor.bearing("DELETE", "/registration", token, client_id=client_id)
    yield visitor.bearing("GET", "/registration", token, client_id=client_id)


def _public_pages(visitor: Visitor) -> Flow:
    page = yield visitor.get("/login")
    yield visitor.get(page.text.partition('href="')[2].partition('"')[0] or "/session_assets/x")
    yield visitor.get("/")
    yield visitor.get("/consent", waiting="x")
    frame = yield visitor.get("/check_session")
    cached = visitor.get("/check_session")
    cached.headers.append(("If-None-Match", frame.header("ETag") or "x"))
    yield cached
    yield visitor.get(frame.text.partition('src="')[2].partition('"')[0] or "/session_assets/x")
    for path in ("/.well-known/openid-configuration", "/jwks.json", "/health/live", "/health/ready", "/nothing", "/session_assets/x.js"):
        yield visitor.get(path)
    yield visitor.bearing("GET", "/metrics", visitor.metrics_token)
    preflight = Request("OPTIONS", visitor.chance.choice(["/token", "/userinfo", "/registration", "/jwks.json"]))
    preflight.headers = [("Origin", "https://spa.example.com"), ("Access-Control-Request-Method", "POST")]
    yield preflight


def _request_object(visitor: Visitor) -> Flow:
    """Send a request in a JWT; a good one is known afterwards, for others to tamper with."""
    claims = {**request_of("asking", prompt="login"), "iss": "asking", "aud": visitor.origin}
    request = jwt.encode({"alg": "ES256"}, claims, _REQUEST_KEY)
    yield from sign_in(visitor, "asking", request=request)
    yield from sign_in(visitor, "asking", request_uri=f"https://asking.example.com/request/{visitor.chance.randrange(9)}")


def _sign_in_for_nobody(visitor: Visitor) -> Flow:
    page = yield visitor.get("/login")
    yield from visitor.follow((yield visitor.submit(page, username="user1", password=PASSWORDS["user1"])))
    page = yield visitor.get("/end_session")
    if b'name="confirmation"' in page.body:
        yield visitor.submit(page, "logout")


FLOWS: dict[Callable[[Visitor], Flow], int] = {
    _whole_visit: 40,
    _choose_account: 8,
    _implicit: 10,
    _registered: 16,
    _request_object: 8,
    _public_pages: 10,
    _sign_in_for_nobody: 6,
}
"""Every flow, with how often it is taken."""
