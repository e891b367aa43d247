"""Ways to spoil a request of a valid flow: its parameters, cookies, headers, method, path, type and body."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.flows.machines.hostile_names import HEADERS, METADATA, METHODS, PARAMETERS, TYPES
from tests.flows.machines.hostile_request import ENDPOINTS, Pairs, Request
from tests.flows.machines.hostile_values import GUESS, Value, hostile_value, json_bomb, json_value, tampered


class Spoiler:
    """Makes hostile requests out of good ones; `known` are values that the OP has given out, `port` is one of nobody's business."""

    def __init__(self, chance: Random, known: list[str], registered: list[str], port: int) -> None:
        self._chance = chance
        self._known = known
        self._registered = registered
        self._port = port

    def spoilt(self, request: Request) -> Request:
        """A copy with one to three things wrong."""
        made = request.copy()
        made.is_spoilt = True
        for _ in range(self._chance.choice([1, 1, 1, 2, 3])):
            self._chance.choices(*zip(*self._ways(made), strict=True))[0](made)
        return made

    def junk(self) -> Request:
        """A request to anything with anything."""
        path = self._chance.choice(list(ENDPOINTS))
        pairs: Pairs = [(self._chance.choice(PARAMETERS), self.value()) for _ in range(self._chance.choice([0, 1, 2, 5, 20]))]
        method = self._chance.choice(["GET", "GET", "POST", "POST", *METHODS])
        made = Request(method, path, form=pairs) if method in ("POST", "PUT") else Request(method, path, query=pairs)
        made.is_spoilt = True
        for name in ("op_session", "op_browser_state", "op_login", "known_browser"):
            if self._chance.random() < 0.4:
                made.cookies.append((name, self.value()))
        for _ in range(self._chance.choice([0, 1, 2])):
            self._header(made)
        return made

    def value(self) -> Value:
        """A hostile value."""
        return hostile_value(self._chance, self._known, self._registered, self._port)

    def _ways(self, request: Request) -> list[tuple[Callable[[Request], None], int]]:
        has_parameters = bool(request.query or request.form)
        ways: list[tuple[Callable[[Request], None], int]] = [
            (self._value, 40 if has_parameters else 0),
            (self._drop, 6 if has_parameters else 0),
            (self._repeat, 5 if has_parameters else 0),
            (self._rename, 3 if has_parameters else 0),
            (self._add, 12),
            (self._many, 1),
            (self._encoding, 2),
            (self._cookie, 10),
            (self._header, 14),
            (self._method, 4),
            (self._path, 5),
            (self._raw_query, 3),
            (self._swap_places, 2),
            (self._type, 3 if request.form is not None or request.json is not None else 0),
            (self._body, 3),
            (self._json, 60 if request.json is not None else 0),
            (self._authorization, 15 if request.header("Authorization") else 3),
        ]
        return [(way, weight) for way, weight in ways if weight]

    def _pairs(self, request: Request) -> Pairs:
        return self._chance.choice([pairs for pairs in (request.query, request.form) if pairs])

    def _value(self, request: Request) -> None:
        pairs = self._pairs(request)
        at = self._chance.randrange(len(pairs))
        name, known = pairs[at]
        value = self.value()
        if name == "password":
            value = f"{GUESS} {self._chance.random()}" if self._chance.random() < 0.5 else value
        if isinstance(known, str) and self._chance.random() < 0.2:
            value = tampered(self._chance, known, self._known)
        pairs[at] = (name, value)

    def _drop(self, request: Request) -> None:
        pairs = self._pairs(request)
        del pairs[self._chance.randrange(len(pairs))]

    def _repeat(self, request: Request) -> None:
        pairs = self._pairs(request)
        name, value = self._chance.choice(pairs)
        pairs.insert(self._chance.randrange(len(pairs) + 1), (name, self._chance.choice([value, self.value()])))

    def _rename(self, request: Request) -> None:
        pairs = self._pairs(request)
        at = self._chance.randrange(len(pairs))
        name = pairs[at][0]
        names: list[Value] = [*PARAMETERS, self.value(), name.upper(), name * 2]
        pairs[at] = (self._chance.choice(names), pairs[at][1])

    def _add(self, request: Request) -> None:
        pairs = request.form if request.form is not None else request.query
        pairs.append((self._chance.choice(PARAMETERS), self.value()))

    def _many(self, request: Request) -> None:
        pairs = request.form if request.form is not None else request.query
        pairs += [(f"x{number}", "y") for number in range(self._chance.choice([99, 101, 2_000]))]

    def _encoding(self, request: Request) -> None:
        request.encoding = self._chance.choice(["all", "least"])

    def _cookie(self, request: Request) -> None:
        kind = self._chance.randrange(5)
        if not request.cookies or kind == 0:
            request.cookies.insert(
                0, (self._chance.choice(["op_session", "op_browser_state", "op_login", "known_browser", "pyoidc", "x"]), self.value())
            )
            return
        at = self._chance.randrange(len(request.cookies))
        name, value = request.cookies[at]
        if kind == 1:
            request.cookies[at] = (name, self.value())
        elif kind == 2:  # tossed: a second one of the same name
            request.cookies.insert(self._chance.choice([at, at + 1]), (name, self.value()))
        elif kind == 3:
            del request.cookies[at]
        else:
            request.cookies[at] = (name, b'"' + (value if isinstance(value, bytes) else value.encode()) + b'"')

    def _header(self, request: Request) -> None:
        name = self._chance.choice(HEADERS)
        value = self.value()
        if name == "Content-Length":  # others would make the connection wait
            value = self._chance.choice(["-1", "+1", "0x1", "1, 1", "", "9" * 30, "a", "1_0"])
        elif name in ("Transfer-Encoding", "Expect", "Connection"):
            value = self._chance.choice(["chunked", "identity", "100-continue", "close", "keep-alive", "Upgrade, HTTP2-Settings", "x"])
        request.headers.append((name, value))

    def _method(self, request: Request) -> None:
        request.method = self._chance.choice(METHODS)

    def _path(self, request: Request) -> None:
        path = request.path
        request.path = self._chance.choice(
            [
                f"{path}/",
                f"/{path}",
                f"//evil.example.com{path}",
                f"{path}/../token",
                f"{path}%2f",
                f"{path}%00",
                f"{path};x=y",
                f"/.{path}",
                path.upper(),
                path.replace("_", "%5f", 1),
                f"/session_assets{path}",
                "/session_assets/../../etc/passwd",
                "/session_assets/%2e%2e%2fcheck_session.js",
                "/session_assets/\\..\\x",
                "/static/style.css",
                "/server-status",
                "/%",
                "/%zz",
                "/%ff%fe",
                "*",
                "x",
                f"http://localhost{path}",
                f"http://evil.example.com{path}",
                "/" + "a/" * 2_000,
                self._chance.choice(list(ENDPOINTS)),
            ]
        )

    def _raw_query(self, request: Request) -> None:
        junk = self._chance.choice(["%", "%zz=%zz", "&&&===", "a;b=c", "=", "?a=b", "%u0041=1", "%ff=%fe", "a[b]=c&a[]=d", "+", "%26=%3d"])
        request.path += ("?" if "?" not in request.path else "&") + junk
        if request.query:
            request.path, request.query = f"{request.path}&{request._encoded(request.query).decode('latin-1')}", []

    def _swap_places(self, request: Request) -> None:
        if request.form is not None:
            request.query, request.form = [*request.query, *request.form], self._chance.choice([None, []])
        else:
            request.form, request.query = list(request.query), []
            request.method = "POST"

    def _type(self, request: Request) -> None:
        request.headers.append(("Content-Type", self._chance.choice(TYPES)))

    def _body(self, request: Request) -> None:
        request.form, request.json = None, None
        request.body = self._chance.choice(
            [
                b"",
                b"\x00" * 100,
                b"\xff\xfe",
                b"a" * 65_537,
                b"=" * 1_000,
                b"a=b&" * 10_000,
                b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb',
            ]
        )
        request.headers.append(("Content-Type", self._chance.choice(TYPES[:3])))

    def _json(self, request: Request) -> None:
        if self._chance.random() < 0.1:
            request.body, request.json = json_bomb(self._chance), None
            request.headers.append(("Content-Type", "application/json"))
            return
        value: dict[str, Any] = request.json
        for _ in range(self._chance.choice([1, 1, 2, 4])):
            name = self._chance.choice([*value, *METADATA])
            kind = self._chance.random()
            if kind < 0.2:
                value.pop(name, None)
            elif kind < 0.5 or name.endswith("uris"):
                value[name] = self._uris(name)
            else:
                value[name] = json_value(self._chance, self._known)

    def _uris(self, name: str) -> Any:
        text = self.value()
        uri = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return [uri, "https://rp.example.com/cb"][: self._chance.choice([1, 2])] if name.endswith("uris") else uri

    def _authorization(self, request: Request) -> None:
        text = self.value()
        value = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        scheme = self._chance.choice([b"Bearer ", b"Basic ", b"bearer  ", b"Basic\t", b"Digest ", b"", b"Basic Og==", b"Basic /////w=="])
        request.headers = [pair for pair in request.headers if pair[0] != "Authorization"]
        request.headers.append(("Authorization", scheme + value))
