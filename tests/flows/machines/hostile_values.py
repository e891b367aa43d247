"""The values that a hostile request is made of: what parsers, stores, templates and redirects are known to trip over."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

Value: TypeAlias = str | bytes

EVIL = "https://evil.example.com/"
MARK = "zqmark"
"""The name of the tag and attribute that a value makes which is put into a page without being escaped."""
GUESS = "guessed password"
"""What every wrong password begins with, so that it is found in a log."""

_HAS_SPECIAL_CHARACTERS: list[Value] = [
    "",
    " ",
    "a\r\nSet-Cookie: op_session=x\r\n\r\n<html>",
    "a\nforged log line",
    "a\x00b",
    "\x7f",
    "\x1b[31m",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    "\u202e\u2066abc",
    "\ufeff",
    "\u0130\u00df\ufb01",
    "\U0001f9ff" * 40,
    "e\u0301" * 300,
    "\u0663",
    "null",
    "undefined",
    "true",
    "[object Object]",
    "__proto__",
    "{{ 7 * 7 }}${7*7}#{7*7}<%= 7*7 %>",
    "{0.__class__}%s%n%x",
    "' OR '1'='1",
    "1; DROP TABLE op_sessions; --",
    "\\",
    "%",
    "%00",
    "%2500",
    "*",
    "../../../../etc/passwd",
    "file:///etc/passwd",
    "$(id)`id`|id",
    "KEYS *\r\nFLUSHALL",
    "a" * 300,
    "a" * 5000,
    "a" * 66_000,
    "-1",
    "0",
    "1",
    "1e999",
    "NaN",
    "9" * 400,
    "0x10",
    "2147483648",
    "9223372036854775808",
    "none",
    "login",
    "none login",
    "consent select_account login",
    "openid",
    "openid " * 200,
    "openid profile email address phone offline_access",
    "code",
    "token code id_token",
    "query",
    "fragment",
    "form_post",
    "web_message",
    "plain",
    "S256",
    "authorization_code",
    "refresh_token",
    "password",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "de fr-CA en",
    "a b " * 3000,
    '{"userinfo": {"email": {"essential": true}}, "id_token": {"sub": {"value": "x"}, "acr": {"values": ["a"]}}}',
    '{"userinfo": null, "id_token": []}',
    "web",
    "asking",
    "spa",
    "alice",
]
_AROUND_A_URI = [
    "{uri}/",
    "{uri}/../x",
    "{uri}%2f..",
    "{uri}?x=1",
    "{uri}#x",
    "{uri}&x=1",
    "{uri}\\",
    "{uri} ",
    " {uri}",
    "{uri}\t",
    "{uri}@evil.example.com/",
    "{uri}.evil.example.com/",
]
_ASTRAY = [
    EVIL,
    "//evil.example.com/",
    "///evil.example.com/",
    "/\\evil.example.com/",
    "\\\\evil.example.com\\x",
    "https:evil.example.com",
    "https:///evil.example.com/",
    "https://evil.example.com\\@web.example.com/cb",
    "https://web.example.com@evil.example.com/cb",
    "https://web.example.com:443/cb",
    "https://web.example.com:x/cb",
    "https://[::1",
    "https://[::1]/cb",
    "HTTPS://WEB.EXAMPLE.COM/cb",
    "http://web.example.com/cb",
    "javascript:alert(1)//https://web.example.com/cb",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://web.example.com/x",
    "urn:ietf:wg:oauth:2.0:oob",
    "/",
    ".",
    "?",
    "#",
]


def marked(chance: Random) -> str:
    """A value that breaks out of an element, an attribute, a script and a style, and is found by `MARK` when it does."""
    return f"""{chance.randrange(10**6)}'"></title></textarea></style></script><{MARK} {MARK}=1 onload={MARK}>&lt;"""


def address_of_own_machine(chance: Random, port: int) -> str:
    """A URI that would lead the OP to `port` of its own machine, in one of many spellings."""
    host = chance.choice(
        ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::]", "127.1", "LOCALHOST."]
    )
    return f"{chance.choice(['http', 'https'])}://{host}:{port}/{chance.choice(['', 'jwks', 'x?y=z', 'x#y'])}"


def hostile_value(chance: Random, known: list[str], registered: list[str], port: int) -> Value:
    """Any value: junk, a marker, a URI that leads astray, or something that the OP itself has given out."""
    kind = chance.random()
    if kind < 0.25:
        return marked(chance)
    if kind < 0.55:
        return chance.choice(_HAS_SPECIAL_CHARACTERS)
    if kind < 0.65:
        return chance.choice(_ASTRAY)
    if kind < 0.70:
        return chance.choice(_AROUND_A_URI).format(uri=chance.choice(registered))
    if kind < 0.73:
        return chance.choice(registered)
    if kind < 0.76:
        return address_of_own_machine(chance, port)
    value = chance.choice(known)
    return value if chance.random() < 0.5 else tampered(chance, value, known)


def tampered(chance: Random, value: str, known: list[str]) -> Value:
    """A value with something changed: a JWT in its header, claims or signature, another in a few characters."""
    if value.count(".") == 2 and value.startswith("ey") and chance.random() < 0.8:
        return _tampered_jwt(chance, value, known)
    at = chance.randrange(len(value) + 1)
    kind = chance.randrange(6)
    if kind == 0:
        return value[:at]
    if kind == 1:
        return value[:at] + chance.choice("Aa0-_.=~%\x00 \n") + value[at + 1 :]
    if kind == 2:
        return value + chance.choice(["=", ".", "A", " ", value])
    if kind == 3:
        return value.swapcase()
    if kind == 4:
        return value[::-1]
    return value.encode() + chance.choice([b"\xff", b"\x00", b"\xc3"])


def _tampered_jwt(chance: Random, value: str, known: list[str]) -> str:
    parts = value.split(".")
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except ValueError:
        return ".".join(parts[:2]) + "."
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return value
    what = chance.random()
    if what < 0.4:
        name = chance.choice(["alg", "kid", "typ", "jku", "jwk", "x5u", "crit", "enc", "zip", "b64", "cty"])
        header[name] = chance.choice(
            ["none", "None", "HS256", "RS256", "ES256", "dir", "", None, 1, ["x"], {"k": "x"}, EVIL, "../x", marked(chance)]
        )
    elif what < 0.9:
        name = chance.choice(
            [*claims, "iss", "sub", "aud", "exp", "iat", "nbf", "sid", "azp", "jti", "events", "redirect_uri", "client_id"]
        )
        claims[name] = json_value(chance, known)
    else:
        parts[2] = chance.choice(["", "AA", parts[2][::-1], parts[2] + "A"])
    return ".".join([*(_encoded(part) for part in (header, claims)), parts[2]])


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def json_value(chance: Random, known: list[str]) -> Any:
    """Any JSON value that is not too large."""
    makers: list[Callable[[], Any]] = [
        lambda: None,
        lambda: chance.choice([True, False]),
        lambda: chance.choice([0, -1, 1, 1.5, 10**9, 2**63, 10**30, -(10**400), 1e300]),
        lambda: chance.choice(known),
        lambda: marked(chance),
        lambda: chance.choice(["", "\x00", "\ud800", "a" * 3000, "\r\n", "javascript:alert(1)", "none", EVIL]),
        list,
        lambda: [chance.choice(known), None, 1],
        lambda: [marked(chance)] * chance.choice([1, 101]),
        dict,
        lambda: {"keys": chance.choice([[], [{}], [{"kty": "RSA"}], [{"kty": "oct", "k": "AA"}], "x", [None]])},
        lambda: {marked(chance): [marked(chance)], "__proto__": {"x": 1}},
    ]
    return chance.choice(makers)()


def json_bomb(chance: Random) -> bytes:
    """JSON that is costly, deep, enormous or none at all."""
    return chance.choice(
        [
            b"[" * 30_000,
            b"[" * 30_000 + b"]" * 30_000,
            b'{"a":' * 12_000 + b"1" + b"}" * 12_000,
            b'{"redirect_uris": ' + b"9" * 60_000 + b"}",
            b'{"default_max_age": 1' + b"0" * 5_000 + b"}",
            b'{"default_max_age": 1e' + b"9" * 1_000 + b"}",
            b'{"client_name": NaN, "redirect_uris": [Infinity, -Infinity]}',
            b'{"client_name": "\\ud800", "redirect_uris": ["https://rp.example.com/\\ud800"]}',
            b'{"redirect_uris": ["https://a.example.com/cb"], "redirect_uris": ["https://b.example.com/cb"]}',
            b'{"redirect_uris": [' + b'"https://a.example.com/cb",' * 2_000 + b'"https://a.example.com/cb"]}',
            b'{"jwks": {"keys": [{"kty": "RSA", "n": "'
            + b"A" * 50_000
            + b'", "e": "AQAB"}]}, "redirect_uris": ["https://a.example.com/cb"]}',
            b"{" + b",".join(b'"a%d": %d' % (number, number) for number in range(5_000)) + b"}",
            b"\xef\xbb\xbf{}",
            b"\xff\xfe{\x00}\x00",
            b"{} {}",
            b"",
            b"null",
            b'"' + b"\\u0000" * 5_000 + b'"',
        ]
    )
