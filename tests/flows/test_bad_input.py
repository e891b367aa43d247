"""Bad input at every endpoint: a 4xx page or JSON with an error code, never a traceback, never a 5xx, never a redirect astray."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.bundled_op import ISSUER, OUT_URIS, REDIRECT_URIS, SECRETS, VERIFIER, Op, OpBrowser, basic, make_settings, request_of
from tests.flows.machines.running_op import RunningOp, read_all
from tests.wsgi_browser import FORM, Answer

EVIL = "https://evil.example.com/"


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and a good request to it, which the tests spoil one parameter at a time."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]

    def send(self, browser: OpBrowser, text: str) -> Answer:
        if self.method == "GET":
            return browser.send("GET", f"{self.path}?{text}", headers=self.headers)
        return browser.send("POST", self.path, text.encode("utf-8", "surrogatepass"), {"Content-Type": FORM} | self.headers)


AUTHORIZATION = request_of(prompt="login", max_age="60", ui_locales="de", login_hint="alice", display="page")
END_SESSION = {
    "client_id": "web",
    "post_logout_redirect_uri": OUT_URIS["web"],
    "state": "s",
    "ui_locales": "de",
    "id_token_hint": "x",
    "logout_hint": "y",
}
CODE = {"grant_type": "authorization_code", "code": "x", "redirect_uri": REDIRECT_URIS["web"], "code_verifier": VERIFIER}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x", "scope": "openid"}
ASKED = {"client_id": "web", "session_state": "0" * 64 + "." + "x" * 62, "origin": "https://web.example.com"}
CLIENT = {"Authorization": basic("web", SECRETS["web"])}
ENDPOINTS = {
    "authorization GET": Endpoint("GET", "/authorization", AUTHORIZATION, {}),
    "authorization POST": Endpoint("POST", "/authorization", AUTHORIZATION, {}),
    "end_session GET": Endpoint("GET", "/end_session", END_SESSION, {}),
    "end_session POST": Endpoint("POST", "/end_session", END_SESSION, {}),
    "end_session answer": Endpoint("POST", "/end_session", {"confirmation": "x", "logout": "yes"}, {}),
    "end_session resumed": Endpoint("GET", "/end_session", {"resume": "x"}, {}),
    "token code": Endpoint("POST", "/token", CODE, CLIENT),
    "token refresh": Endpoint("POST", "/token", REFRESH, CLIENT),
    "revocation": Endpoint("POST", "/revocation", {"token": "x", "token_type_hint": "access_token"}, CLIENT),
    "introspection": Endpoint("POST", "/introspection", {"token": "x", "token_type_hint": "access_token"}, CLIENT),
    "session_status": Endpoint("POST", "/session_status", {"sid": "x"}, CLIENT),
    "check_session_status": Endpoint("POST", "/check_session_status", ASKED, {"Origin": ISSUER}),
    "userinfo POST": Endpoint("POST", "/userinfo", {"access_token": "x"}, {}),
    "login GET": Endpoint("GET", "/login", AUTHORIZATION, {}),
    "login POST": Endpoint("POST", "/login", {"csrf": "x", "waiting": "x", "username": "alice", "password": "wonderland"}, {}),
    "consent GET": Endpoint("GET", "/consent", AUTHORIZATION, {}),
    "consent resumed": Endpoint("GET", "/consent", {"waiting": "x"}, {}),
    "consent POST": Endpoint("POST", "/consent", {"csrf": "x", "waiting": "x", "allow": "yes"}, {}),
}
CASES = [(name, parameter) for name, endpoint in ENDPOINTS.items() for parameter in endpoint.params]
VALUES = {
    "empty": "",
    "over-long": "a" * 5000,
    "enormous": "a" * 70_000,
    "not UTF-8": b"\xff\xfe",
    "half a surrogate": b"\xed\xa0\x80",
    "CRLF": "a\r\nSet-Cookie: op_session=x\r\n\r\n<html>",
    "NUL": "a\x00b",
    "markup": "\"'><script>alert(1)</script>",
    "a foreign URI": EVIL,
    "a script URI": "javascript:alert(1)",
    "JSON": '{"a": [1, {"b": null}]}',
    "a template": "{{ 7 * 7 }}${7*7}",
    "a JWT of nobody": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vbG9jYWxob3N0OjgwODAiLCJhdWQiOiJ3ZWIifQ.",
    "right to left": "\u202e\u2066abc",
    "a number of another script": "٣",
}


def encode(params: dict[str, Any]) -> str:
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in params.items())


def check(answer: Answer) -> None:
    """Assert what holds of every answer to bad input."""
    assert answer.status < 500, answer.text
    assert "Traceback" not in answer.text
    assert "<script>alert" not in answer.text
    assert "op_session" not in {name for name, value in answer.cookies.items() if "Max-Age=0" not in value}
    if answer.location:
        assert not answer.location.startswith(EVIL)
        assert re.match(r"/[a-z]|https://(web|asking|spa)\.example\.com/", answer.location)
    elif answer.status >= 400:
        assert answer.error, (answer.status, answer.body)


@pytest.fixture(scope="module")
def one_op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file, registration={"mode": "open"}, session_management={"status": True}))


@pytest.fixture(params=["nobody", "somebody"])
def visitor(request: pytest.FixtureRequest, one_op: Op) -> OpBrowser:
    """A browser in which nobody is signed in, and one in which somebody is."""
    browser = one_op.browser()
    if request.param == "somebody":
        browser.jar = request.getfixturevalue("signed_in_jar").copy()
    return browser


@pytest.fixture(scope="module")
def signed_in_jar(one_op: Op) -> dict[str, str]:
    browser = one_op.browser()
    browser.sign_in()
    return browser.jar


# -- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-03", "SEC-11", "SEC-12")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_bad_value(visitor: OpBrowser, name: str, parameter: str, value: Any) -> None:
    endpoint = ENDPOINTS[name]

    answer = endpoint.send(visitor, encode(endpoint.params | {parameter: value}))

    check(answer)


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_missing_parameter(visitor: OpBrowser, name: str, parameter: str) -> None:
    endpoint = ENDPOINTS[name]

    check(endpoint.send(visitor, encode({key: value for key, value in endpoint.params.items() if key != parameter})))


@pytest.mark.spec("RI-07")
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_repeated_parameter_is_refused_even_when_both_are_the_same(visitor: OpBrowser, name: str, parameter: str) -> None:
    endpoint = ENDPOINTS[name]
    is_the_ops_own = name in ("end_session answer", "end_session resumed")  # no RP sends these

    answer = endpoint.send(visitor, encode(endpoint.params) + f"&{parameter}={quote(endpoint.params[parameter])}")

    check(answer)
    assert answer.status >= 400 or is_the_ops_own


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "&",
        "=",
        "&&&===",
        "%",
        "%zz=%zz",
        "a=b&" * 101,
        "=" * 1000,
        "a" * 66_000,
        "%00=%00",
        "a[b]=c&a[]=d",
        "a;b=c;d",
        "__proto__=x",
        "%ff=%fe",
        "?a=b",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_parameters_at_all_or_garbage(visitor: OpBrowser, name: str, text: str) -> None:
    check(ENDPOINTS[name].send(visitor, text))


# -- bodies -----------------------------------------------------------------------------------------------------------

POSTS = [name for name, endpoint in ENDPOINTS.items() if endpoint.method == "POST"]


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", "", "\xff", "application/x-www-form-urlencoded2"]
)
def test_a_body_of_another_type_is_not_read(visitor: OpBrowser, name: str, content_type: str) -> None:
    endpoint = ENDPOINTS[name]

    answer = visitor.send("POST", endpoint.path, b'{"grant_type": "x"}', endpoint.headers | {"Content-Type": content_type})

    check(answer)
    assert answer.status == 415


@pytest.mark.parametrize("name", [*POSTS, "registration"])
@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a=\xff", b"\x00" * 100, b"a" * 65_537], ids=["not UTF-8", "not UTF-8 in a value", "NULs", "too large"]
)
def test_a_body_that_cannot_be_text_or_is_too_large(visitor: OpBrowser, name: str, body: bytes) -> None:
    path = "/registration" if name == "registration" else ENDPOINTS[name].path
    answer = visitor.send("POST", path, body, {"Content-Type": "application/json" if name == "registration" else FORM})

    check(answer)
    assert 400 <= answer.status < 500


@pytest.mark.parametrize("length", ["-1", "abc", "1_0", "+5", "9" * 30, " 5", "٣", "0x5"])
def test_a_length_that_is_none(visitor: OpBrowser, length: str) -> None:
    for path in ("/authorization", "/token", "/end_session", "/login", "/registration"):
        answer = visitor.send("POST", path, b"a=b", CONTENT_LENGTH=length, CONTENT_TYPE=FORM)

        check(answer)
        assert answer.status in (411, 413)


def test_a_body_without_a_length_is_not_read(visitor: OpBrowser) -> None:
    for path in ("/authorization", "/token", "/end_session", "/login", "/registration"):
        answer = visitor.send("POST", path, b"a=b", {"Transfer-Encoding": "chunked"}, CONTENT_LENGTH=None, CONTENT_TYPE=FORM)

        check(answer)
        assert answer.status == 411


# -- headers ----------------------------------------------------------------------------------------------------------

AUTHORIZATIONS = [
    "",
    "Basic",
    "Basic ",
    "Basic !!!",
    "Basic " + "A" * 20_000,
    "Basic eA==",
    "Basic /////w==",
    "Basic OnNlY3JldA==",
    "Bearer",
    "Bearer ",
    "Bearer x y",
    "Bearer \xff",
    "Bearer " + "A" * 20_000,
    "Bearer ..",
    "Bearer eyJhbGciOiJub25lIn0.e30.",
    "Digest username=x",
    "x",
    "Basic Basic",
]


@pytest.mark.parametrize("header", AUTHORIZATIONS, ids=lambda header: repr(header[:20]))
@pytest.mark.parametrize(("method", "path"), [("POST", "/token"), ("GET", "/userinfo"), ("POST", "/userinfo")])
def test_a_bad_authorization_header_is_a_401_or_400_in_json(visitor: OpBrowser, method: str, path: str, header: str) -> None:
    body = urlencode(CODE).encode() if path == "/token" else b""

    answer = visitor.send(method, path, body, {"Authorization": header, "Content-Type": FORM})

    check(answer)
    assert answer.status in (400, 401)
    assert answer.error in ("invalid_client", "invalid_token", "invalid_request")
    assert answer.status != 401 or answer.header("WWW-Authenticate")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Cookie", "a" * 20_000),
        ("Cookie", "op_session=" + "a" * 300),
        ("Cookie", "\xff=\xfe; op_login=\x01"),
        ("Origin", "\xff"),
        ("Sec-Fetch-Site", "\xff"),
        ("Accept-Language", "\xff"),
        ("Host", '"><script>alert(1)</script>'),
        ("Host", ""),
        ("If-None-Match", '"\xff'),
        ("X-Forwarded-Host", "evil.example.com"),
        ("X-Forwarded-Proto", "javascript"),
        ("Content-Type", "\xff"),
        ("X-Http-Method-Override", "DELETE"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/login", "/authorization", "/end_session", "/check_session", "/jwks.json", "/userinfo", "/nothing"])
def test_a_bad_header(visitor: OpBrowser, path: str, name: str, value: str) -> None:
    answer = visitor.get(path, {name: value})

    check(answer)
    assert "evil.example.com" not in answer.text


# -- tokens in the wrong place ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokens(one_op: Op) -> dict[str, str]:
    """Everything secret or signed that the OP gives out, by its name."""
    browser = one_op.browser()
    found: dict[str, str] = browser.sign_in(scope="openid offline_access", prompt="login consent")
    found |= {"code": browser.renew().query["code"], "session cookie": browser.jar["op_session"], "login cookie": browser.jar["op_login"]}
    found["session_state"] = browser.renew().query["session_state"]
    found["op_browser_state"] = browser.jar["op_browser_state"]
    found["confirmation"] = browser.end_session().form.fields["confirmation"]
    found["sid"] = _claims(found["id_token"])["sid"]
    found["sub"] = _claims(found["id_token"])["sub"]
    return {name: value for name, value in found.items() if name not in ("token_type", "expires_in", "scope")}


TOKENS = [
    "access_token",
    "refresh_token",
    "id_token",
    "code",
    "session cookie",
    "login cookie",
    "session_state",
    "op_browser_state",
    "confirmation",
    "sid",
    "sub",
]


@pytest.mark.spec("SEC-05", "SID-06", "RI-21")
@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_is_good_in_its_own_place_alone(one_op: Op, tokens: dict[str, str], kind: str) -> None:
    browser, token = one_op.browser(), tokens[kind]
    stranger = one_op.browser()
    stranger.jar = {"op_session": token}

    good = {
        "access_token": browser.userinfo(token).status == 200,
        "refresh_token": browser.refresh(token).status == 200,
        "id_token": browser.authorize(prompt="none", id_token_hint=token).error == "login_required",
        "session cookie": stranger.is_signed_in(),
        "code": browser.redeem(token).status == 200,
        "confirmation": False,
    }

    assert [name for name, is_good in good.items() if is_good] == ([kind] if kind in good and kind != "confirmation" else [])


def _claims(id_token: str) -> dict[str, Any]:
    part = id_token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_what_one_client_was_given_another_cannot_use(one_op: Op) -> None:
    browser = one_op.browser()
    tokens = browser.sign_in(scope="openid offline_access", prompt="login consent")
    code = browser.renew().query["code"]

    assert browser.redeem(code, "asking", redirect_uri=REDIRECT_URIS["web"]).error == "invalid_grant"
    assert browser.refresh(tokens["refresh_token"], "asking").error == "invalid_grant"
    assert browser.refresh(tokens["refresh_token"], "spa").error == "invalid_grant"


# -- on the wire ------------------------------------------------------------------------------------------------------

HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
WIRE = {
    "nothing": (b"\r\n\r\n", 400),
    "noise": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "no protocol": (b"GET /\r\n\r\n", 400),
    "another protocol": (b"GET / GOPHER/1.0\r\n\r\n", 400),
    "a CR in the version": (b"GET /login HTTP/\r1.1\r\n" + HOST + b"\r\n", 400),
    "a sign in the version": (b"GET /login HTTP/+1.1\r\n" + HOST + b"\r\n", 400),
    "a version of many digits": (b"GET /login HTTP/01.01\r\n" + HOST + b"\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a lower-case method": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an absolute URL that is none": (b"GET http://[::1 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a path that looks like a host": (b"GET //[::1 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a fragment": (b"GET /#x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no leading slash": (b"GET login HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no Host at a page": (b"GET /login HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    "a header without a colon": (b"GET / HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n", 400),
    "a header that ends in LF alone": (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\n\r\n", 400),
    "a header that goes on in the next line": (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n z\r\n\r\n", 400),
    "a NUL in a header": (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\x00z\r\n\r\n", 400),
    "a CR alone in a header": (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n", 400),
    "a blank before the colon": (b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Length : 0\r\n\r\n" + SMUGGLED, 400),
    "a path that is a host to some": (b"GET //localhost/health/live HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "two lengths": (b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n" + SMUGGLED, 400),
    "two Authorizations": (b"GET /userinfo HTTP/1.1\r\n" + HOST + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    "a negative length": (b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n", 400),
    "a length with a sign": (b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Length: +0\r\n\r\n" + SMUGGLED, 400),
    "an enormous length": (b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\n", 413),
    "chunks": (b"POST /token HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + SMUGGLED, 411),
    "chunks at a page": (b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + SMUGGLED, 411),
    "chunks and a length": (
        b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + SMUGGLED,
        411,
    ),
    "chunks in HTTP/1.0": (b"POST /token HTTP/1.0\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n" + SMUGGLED, 411),
    "an unknown coding": (b"POST /token HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED, 501),
    "enormous headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 413),
    "many headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 10_000 + b"\r\n", 413),
    "an enormous URL": (b"GET /?" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
}


@pytest.mark.parametrize(("data", "status"), WIRE.values(), ids=WIRE.keys())
def test_bytes_that_are_no_request_of_ours_get_one_refusal_and_no_second_answer(
    running: RunningOp, data: bytes, status: int | None
) -> None:
    answer = running.exchange(data)

    assert [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)] == [status]
    assert b"Traceback" not in answer
    assert b'"live"' not in answer
    assert not re.search(rb"cherrypy|cheroot", answer, re.IGNORECASE)


def test_the_server_works_as_before_after_all_of_it(running: RunningOp) -> None:
    for data, _ in WIRE.values():
        running.exchange(data)

    assert running.browser().sign_in()
    assert "Traceback" not in running.log


def test_a_header_with_an_underscore_does_not_pass_for_one_with_a_hyphen(running: RunningOp) -> None:
    head = b"OPTIONS /token HTTP/1.1\r\n" + HOST + b"Connection: close\r\n"

    assert b" 204 " in running.exchange(head + b"Origin: https://spa.example.com\r\n\r\n")
    assert b" 403 " in running.exchange(head + b"Origin_: https://spa.example.com\r\n\r\n")


def test_two_good_requests_on_one_connection_get_two_answers(running: RunningOp) -> None:
    request = b"GET /health/live HTTP/1.1\r\n" + HOST

    answer = running.exchange(request + b"\r\n" + request + b"Connection: close\r\n\r\n")

    assert answer.count(b'{"status": "live"}') == 2


def test_a_body_that_is_cut_short_is_not_read_as_if_it_were_whole(running: RunningOp) -> None:
    answer = running.exchange(
        b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Type: " + FORM.encode() + b"\r\nContent-Length: 100\r\n\r\na=b"
    )

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"grant_type" not in answer


def test_a_body_that_never_comes_ends_in_a_408(own_quick: RunningOp) -> None:
    with own_quick.connect() as connection:
        connection.sendall(b"POST /token HTTP/1.1\r\n" + HOST + b"Content-Type: " + FORM.encode() + b"\r\nContent-Length: 100\r\n\r\na=b")

        answer = read_all(connection)

    assert b" 408 " in answer.partition(b"\r\n")[0]


@pytest.fixture
def own_quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOp]:
    """A server that waits a second for what a client is slow to send."""
    op = RunningOp(tmp_path_factory.mktemp("quick"))
    op.configure(listen={"host": "127.0.0.1", "port": op.port, "limits": {"socket_timeout": "1s"}})
    op.start()
    yield op
    op.close()
