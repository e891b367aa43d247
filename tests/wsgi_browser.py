"""A browser for a WSGI application: keeps cookies, reads forms, and believes no answer that a web server could not send."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, cast
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode, urljoin, urlsplit

FORM = "application/x-www-form-urlencoded"

WsgiApplication = Callable[..., Iterable[bytes]]


@dataclass
class Form:
    """A form of a page: where it leads and what its fields and buttons hold."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        elif tag in ("input", "button") and self.forms and "name" in given:
            into = self.forms[-1].fields if tag == "input" else self.forms[-1].buttons
            into[given["name"]] = given.get("value", "")


@dataclass
class Answer:
    """An answer as a peer sees it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, None when there is none; two of one name are a fault."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came more than once: {values}"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """The values of a header that may come more than once."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.body))

    @property
    def error(self) -> str | None:
        """The error code: of JSON, of a page, or of a redirect to an RP."""
        if self.location:
            return {**self.query, **self.fragment}.get("error")
        if (self.header("Content-Type") or "").startswith("application/json"):
            return self.json.get("error")
        found = re.search(r"<code[^>]*>([a-z_]+)</code>", self.text)
        return found[1] if found else None

    @property
    def location(self) -> str:
        return self.header("Location") or ""

    @property
    def query(self) -> dict[str, str]:
        """What the redirect carries in its query."""
        return dict(parse_qsl(urlsplit(self.location).query, keep_blank_values=True))

    @property
    def fragment(self) -> dict[str, str]:
        """What the redirect carries in its fragment."""
        return dict(parse_qsl(urlsplit(self.location).fragment, keep_blank_values=True))

    @property
    def cookies(self) -> dict[str, str]:
        """The Set-Cookie headers by the cookie's name."""
        return {value.partition("=")[0].strip(): value.strip() for value in self.all("Set-Cookie")}

    @property
    def form(self) -> Form:
        """The first form of the page."""
        reader = _FormReader()
        reader.feed(self.text)
        assert reader.forms, f"no form on the page: {self.status} {self.text[:2000]}"
        return reader.forms[0]

    def is_page(self) -> bool:
        return (self.header("Content-Type") or "").startswith("text/html")


class Browser:
    """One browser with its cookies. Redirects are followed when `follow` is asked, within the application's own origin."""

    def __init__(self, application: WsgiApplication, origin: str, address: str = "192.0.2.1") -> None:
        self.application = application
        self.origin = origin
        self.address = address
        self.jar: dict[str, str] = {}

    def get(self, target: str, headers: Mapping[str, str] | None = None, **query: str) -> Answer:
        """Open a page; `query` is added to the target's own."""
        separator = "&" if "?" in target else "?"
        return self.send("GET", f"{target}{separator}{urlencode(query)}" if query else target, headers=headers)

    def post(self, target: str, form: Mapping[str, str] | str, headers: Mapping[str, str | None] | None = None) -> Answer:
        """Send a form as a page of the same origin does; a header that is None is left out."""
        body = form if isinstance(form, str) else urlencode(form)
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": FORM} | dict(headers or {})
        return self.send("POST", target, body.encode(), {name: value for name, value in sent.items() if value is not None})

    def submit(self, page: Answer, button: str = "", headers: Mapping[str, str] | None = None, **fields: str) -> Answer:
        """Fill in the page's form and send it, by one of its buttons."""
        form = page.form
        pressed = {button: form.buttons[button]} if button else {}
        return self.post(form.action, form.fields | fields | pressed, headers)

    def follow(self, answer: Answer) -> Answer:
        """Follow redirects until an answer is none, or leads to another origin."""
        for _ in range(10):
            if not 300 <= answer.status < 400:
                return answer
            target = urljoin(f"{self.origin}/", answer.location)
            if not target.startswith(f"{self.origin}/"):
                return answer
            answer = self.get(target.removeprefix(self.origin))
        raise AssertionError("redirected for ever")

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **environ: Any) -> Answer:
        """Send any request; `environ` replaces values of the WSGI environment, None takes one away."""
        path, _, query = target.partition("?")
        made: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": _decoded(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "ACTUAL_SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.address,
            "REMOTE_PORT": "40000",
            "HTTP_HOST": urlsplit(self.origin).netloc,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": urlsplit(self.origin).scheme,
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if body or method in ("POST", "PUT", "PATCH"):
            made["CONTENT_LENGTH"] = str(len(body))
        if self.jar:
            made["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            made[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        made = {name: value for name, value in (made | environ).items() if value is not None}
        return self._keep(_call(self.application, made))

    def _keep(self, answer: Answer) -> Answer:
        for name, header in answer.cookies.items():
            if "Max-Age=0" in header:
                self.jar.pop(name, None)
            else:
                self.jar[name] = header.partition(";")[0].partition("=")[2]
        return answer


def _call(application: WsgiApplication, environ: dict[str, Any]) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        assert not started or exc_info is not None, "the answer was started twice"
        started.append((status, list(headers)))

    result = application(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    status, headers = started[-1]
    assert re.fullmatch(r"[1-5]\d\d .*", status), status
    for name, value in headers:
        assert re.fullmatch(r"[A-Za-z0-9-]+", name), name
        assert not re.search(r"[\x00-\x1f\x7f]", value), (name, value)
        value.encode("latin-1")
    return Answer(int(status[:3]), headers, body)


def _decoded(path: str) -> str:
    """A path as PATH_INFO: its bytes, percent-decoded, as latin-1 text."""
    return unquote_to_bytes(path).decode("latin-1")
