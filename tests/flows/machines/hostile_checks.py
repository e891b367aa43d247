"""What holds of every answer, whatever was asked: its status, type, headers, cookies, markup and where it leads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from tests.flows.machines.hostile_pool import Pool
from tests.flows.machines.hostile_request import ENDPOINTS, Request
from tests.flows.machines.hostile_values import MARK
from tests.flows.machines.running_op import ROOT
from tests.wsgi_browser import Answer

_OF_THE_INSIDE = re.compile(
    rb"Traceback|File \"|site-packages|cherrypy|cheroot|sqlalchemy|sqlite|werkzeug|jinja2|\.py\b|" + re.escape(str(ROOT).encode()),
    re.IGNORECASE,
)
_REFUSED_UNREAD = (400, 408, 411, 413, 414, 501, 505)
"""What the HTTP layer itself answers, in plain text, before it is known what is asked. 501 and 505 are for codings and versions of HTTP
that it does not know (RFC 9112, 6.1; RFC 9110, 15.6.6)."""
_COOKIES = frozenset({"op_session", "op_browser_state", "op_login", "known_browser"})
_EVENT = re.compile(r"on[a-z]+")


def problems(request: Request, answer: Answer, pool: Pool) -> Iterator[str]:
    """Yield everything that is wrong with an answer."""
    if answer.status >= 500 and not _is_refused_unread(answer):
        yield f"status {answer.status}"
    if inside := _OF_THE_INSIDE.search(answer.body + "\n".join(value for _, value in answer.headers).encode()):
        yield f"tells of its inside: {inside[0]!r}"
    yield from _redirect_problems(request, answer, pool)
    yield from _cookie_problems(request, answer, pool)
    yield from _shown_cookie_problems(request, answer, pool)
    yield from _type_problems(request, answer)
    if answer.is_page():
        yield from _page_problems(request, answer, pool)
    yield from _cors_problems(answer, pool)


def _is_refused_unread(answer: Answer) -> bool:
    is_plain = (answer.header("Content-Type") or "").startswith("text/plain")
    return answer.status in _REFUSED_UNREAD and is_plain and len(answer.body) < 200 and MARK.encode() not in answer.body


def _redirect_problems(request: Request, answer: Answer, pool: Pool) -> Iterator[str]:
    location = answer.location
    if not location:
        if 300 <= answer.status < 400 and answer.status != 304:
            yield f"status {answer.status} leads nowhere"
        return
    if answer.status != 303:
        yield f"a Location with status {answer.status}"
    named = request.parameters("client_id")
    client_id = (
        named[0]
        if len(named) == 1 and "?" not in request.path and request.endpoint == "/authorization" and isinstance(named[0], str)
        else None
    )
    if re.match(r"/(?![/\\])", location):
        path = location.partition("?")[0]
        if path not in ENDPOINTS:
            yield f"redirects to a path that there is not: {location[:200]}"
    elif not pool.is_target(location, client_id):
        yield f"redirects to what is not registered: {location[:200]}"
    yield from _missing(answer, {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})


def _cookie_problems(request: Request, answer: Answer, pool: Pool) -> Iterator[str]:
    sent = {value for _, value in request.cookies}
    for name, header in answer.cookies.items():
        value, *attributes = (part.strip() for part in header.split(";"))
        value = value.partition("=")[2]
        if name not in _COOKIES:
            yield f"sets a cookie {name[:50]!r}"
            continue
        missing = {"HttpOnly", "SameSite=Lax"} - set(attributes) if name != "op_browser_state" else set()
        if missing and "Max-Age=0" not in attributes:
            yield f"sets {name} without {missing}"
        if any(attribute.lower().startswith("domain") for attribute in attributes):
            yield f"sets {name} for other hosts"
        if not re.fullmatch(r"[A-Za-z0-9._~-]*", value):
            yield f"sets {name} to {value[:100]!r}"
        if name == "op_session" and value and value in sent:
            yield "keeps a session's cookie that the request came with where it sets one"
        if name == "op_login" and value in sent and value not in pool.issued_cookies:
            yield "takes a cookie of the login pages for its own that it never gave out"


def _shown_cookie_problems(request: Request, answer: Answer, pool: Pool) -> Iterator[str]:
    for name, value in request.cookies:
        if isinstance(value, str) and value in pool.issued_cookies and (value.encode() in answer.body or value in answer.location):
            yield f"shows {name!r}"


def _type_problems(request: Request, answer: Answer) -> Iterator[str]:
    if answer.status in (204, 304) or request.method == "HEAD" or answer.location or _is_refused_unread(answer):
        return
    content_type = (answer.header("Content-Type") or "").partition(";")[0]
    kind = request.kind
    if answer.status >= 400:
        if kind in ("json", "public") and content_type != "application/json":
            yield f"an error of a JSON endpoint as {content_type}"
        if content_type not in ("application/json", "text/html"):
            yield f"an error as {content_type}"
        if not answer.error and not any(form in answer.body for form in (b'name="password"', b'name="allow"')):
            yield f"an error without a code: {answer.body[:200]!r}"
    if content_type == "application/json":
        is_public = kind == "public" and answer.status == 200
        yield from _missing(answer, {"X-Content-Type-Options": "nosniff"} | ({} if is_public else {"Cache-Control": "no-store"}))
        json.loads(answer.body)
    elif content_type == "text/html":
        is_iframe = kind == "iframe" and answer.status == 200
        yield from _frame_problems(answer) if is_iframe else _page_header_problems(answer)
    elif answer.body:
        yield from _missing(answer, {"X-Content-Type-Options": "nosniff"})


def _page_header_problems(answer: Answer) -> Iterator[str]:
    yield from _missing(answer, {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})
    if answer.header("Referrer-Policy") not in ("no-referrer", "strict-origin"):
        yield f"Referrer-Policy: {answer.header('Referrer-Policy')}"
    policy = answer.header("Content-Security-Policy") or ""
    for part in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        if part not in policy.split("; "):
            yield f"a page without {part}: {policy[:200]}"
    if "unsafe" in policy or MARK in policy:
        yield f"a policy that lets scripts in: {policy[:200]}"


def _frame_problems(answer: Answer) -> Iterator[str]:
    if answer.header("X-Frame-Options") or "frame-ancestors" in (answer.header("Content-Security-Policy") or ""):
        yield "an iframe that cannot be framed"
    yield from _missing(answer, {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"})
    if answer.cookies:
        yield "an iframe for caches with a cookie"


def _missing(answer: Answer, expected: dict[str, str]) -> Iterator[str]:
    for name, value in expected.items():
        if answer.header(name) != value:
            yield f"{name}: {answer.header(name)} with status {answer.status} of {answer.header('Content-Type')}"


class _PageReader(HTMLParser):
    """Collects what in a page runs, is loaded, or leads somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.actions: list[str] = []
        self.refreshes: list[str] = []
        self._is_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._is_script = tag == "script"
        if tag in (MARK, "object", "embed", "base", "svg", "math"):
            self.found.append(f"a tag {tag}")
        if tag == "script" and not values.get("src", "").startswith("/session_assets/"):
            self.found.append("a script that is not the OP's own")
        for name, value in values.items():
            if _EVENT.fullmatch(name) or name in (MARK, "style", "srcdoc"):
                self.found.append(f"an attribute {name}")
            if name in ("href", "src", "action", "formaction") and not re.match(
                r"(https?|[a-z][a-z0-9.+-]*\.[a-z0-9.+-]*)?:|/(?![/\\])|#", value
            ):
                self.found.append(f"{name}={value[:100]}")
            if name in ("href", "src", "action", "formaction") and re.match(
                r"\s*(javascript|data|vbscript|blob|file):", value, re.IGNORECASE
            ):
                self.found.append(f"{name}={value[:100]}")
        if tag == "form":
            self.actions.append(values.get("action", ""))
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.refreshes.append(values.get("content", "").partition("url=")[2])

    def handle_data(self, data: str) -> None:
        if self._is_script and data.strip():
            self.found.append(f"an inline script: {data[:100]}")

    def handle_endtag(self, tag: str) -> None:
        self._is_script = self._is_script and tag != "script"


def _page_problems(request: Request, answer: Answer, pool: Pool) -> Iterator[str]:
    reader = _PageReader()
    reader.feed(answer.body.decode())
    yield from reader.found
    if f"<{MARK}".encode() in answer.body:
        yield "a value that is not escaped"
    for action in reader.actions:
        if not re.match(r"/(?![/\\])", action) and not pool.is_target(action, None):
            yield f"a form leads to what is not registered: {action[:200]}"
    for target in reader.refreshes:
        if not pool.is_target(target, None):
            yield f"a page goes on to what is not registered: {target[:200]}"


def _cors_problems(answer: Answer, pool: Pool) -> Iterator[str]:
    origin = answer.header("Access-Control-Allow-Origin")
    if answer.header("Access-Control-Allow-Credentials"):
        yield "lets other origins use its cookies"
    if origin is not None and not pool.is_origin(origin):
        yield f"lets an unknown origin in: {origin[:100]}"
