"""An OP and an RP as small as the iframe's tests need: the real page and script, and pages that frame it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from oic_session_ext.pages import Pages
from oic_session_ext.session_management.browser_cookies import CookiePolicy
from oic_session_ext.session_management.check_session_iframe import CheckSessionPage, StatusByRequest, check_session_context
from oic_session_ext.session_management.login_status import login_status_headers
from oic_session_ext.session_management.storage_access import retry_headers
from oic_session_ext.settings import SessionManagementSettings


class IframeServer:
    """Serves on 127.0.0.1 under whatever name the browser uses; `requests` are the paths asked for.

    `/check_session` and `/assets/` are the OP's. `/` gives the browser `op_browser_state`, as a top-level visit to the OP does,
    unless it is None. `/authorization` answers silent requests, by its title `code` where it sees that cookie, to pages of the RP at
    `redirect_uri`. `/signed_out` is where a logout ends, with all headers that the settings allow. Every other path is an empty page
    of an RP; `/isolated` is cross-origin isolated. With `tells_status` the iframe asks and is told `status`; `questions` are what it sent.
    """

    def __init__(self, port: int, *, secure_cookies: bool, tells_status: bool) -> None:
        self.port = port
        self.requests: list[str] = []
        self.op_browser_state: str | None = None
        self.redirect_uri = ""
        self.status = "unchanged"
        self.questions: list[dict[str, str | None]] = []
        # Chromium takes Secure cookies from http on loopback, so the cookies of an https issuer can be tried as well.
        scheme = "https" if secure_cookies else "http"
        self._cookies = CookiePolicy(f"{scheme}://localhost:{port}", SessionManagementSettings())
        self._pages = Pages()
        status = StatusByRequest("/check_session_status", self._pages.asset_url("check_session_status.js")) if tells_status else None
        context = check_session_context(self._cookies, self._pages.asset_url("check_session.js"), status=status)
        self._check_session = CheckSessionPage(self._pages.render("check_session", **context).body, may_ask=tells_status)

    def origin(self, host: str = "localhost") -> str:
        """The origin under one of its names; `localhost` and `127.0.0.1` are two sites."""
        return f"http://{host}:{self.port}"

    def answer(self, path: str, sent: Mapping[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body for a GET."""
        self.requests.append(path)
        if path == "/check_session":
            page = self._check_session.answer(sent.get("If-None-Match"))
            return page.status, page.headers, page.body
        if path.startswith("/assets/"):
            asset = self._pages.asset(path.removeprefix("/assets/"))
            assert asset is not None
            return 200, asset.headers, asset.content
        headers = [("Content-Type", "text/html; charset=utf-8")]
        if path == "/" and self.op_browser_state is not None:
            headers.append(("Set-Cookie", self._cookies.browser_state_cookie(self.op_browser_state)))
        if path == "/authorization":
            title = "login_required" if self._cookies.browser_state(sent.get("Cookie")) is None else "code"
            return 200, headers + retry_headers(sent, [self.redirect_uri]), f"<!doctype html><title>{title}</title>".encode()
        if path == "/signed_out":
            settings = SessionManagementSettings(login_status=True, clear_site_data=True)
            headers += login_status_headers({}, settings, has_begun=False, has_ended=True)
        if path == "/isolated":
            headers += [("Cross-Origin-Embedder-Policy", "require-corp"), ("Cross-Origin-Opener-Policy", "same-origin")]
        return 200, headers, b"<!doctype html><title>page</title><link rel=icon href=data:,>"


@contextmanager
def serving(*, secure_cookies: bool = False, tells_status: bool = False) -> Iterator[IframeServer]:
    """One server on a free port, with the cookies of a loopback issuer or those of an https issuer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = server.answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.questions.append({"form": form, "origin": self.headers["Origin"], "cookie": self.headers["Cookie"]})
            body = json.dumps({"status": server.status}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http_server.daemon_threads = True
    server = IframeServer(http_server.server_port, secure_cookies=secure_cookies, tells_status=tells_status)
    threading.Thread(target=http_server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        http_server.shutdown()
        http_server.server_close()
