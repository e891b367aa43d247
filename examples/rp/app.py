"""A small RP in CherryPy: signs in by the authorization code flow, learns when the OP session ends, signs out here or at the OP.

    python examples/rp/app.py --name "RP A" --port 8081 --issuer http://localhost:8080 --client-id demo-a --client-secret ...

`openid_client.py` speaks to the OP, `rp_sessions.py` keeps who is signed in here. How the RP learns that the OP session has ended
is the choice of `--channel`: the page watches the OP's iframe, the OP tells `frontchannel.py` or `backchannel.py`, or
`session_status.py` asks it. The page's part is `../rp-helper`. This file joins them: one handler per route.
"""

# CherryPy has no type hints, so its decorators have none either.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.parse import urlsplit

import cherrypy
from backchannel import BackchannelLogout
from frontchannel import FrontchannelLogout
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from logout_token import LogoutTokenValidator, SeenTokens
from openid_client import ID_TOKEN_ALG, OpenIdClient, OpUnreachable, PendingSignIn, SignInRefused
from rp_sessions import AlreadyEnded, BrowserSession, SessionTable, SignedIn
from session_events import MAX_STREAMS, SessionEvents
from session_status import SessionStatus

HERE = Path(__file__).resolve().parent

ACCENTS = ("blue", "green", "purple", "orange", "red")
NOTICES = {
    "ended": "You have been signed out here, because you are no longer signed in at the OpenID Provider as the same person.",
    "backchannel": "You have been signed out here: the OpenID Provider said, over the back channel, that your session has ended.",
    "status": "You have been signed out here: the OpenID Provider says, when asked, that your session has ended.",
    "frontchannel": "You have been signed out here: the OpenID Provider's logout page asked for it in this browser (front channel).",
    "here": "You have signed out here in another window.",
}


class ExampleRp:
    """The routes. Every page is `no-store`, so neither `back` nor a reload shows a page of somebody who has signed out."""

    favicon_ico = None

    def __init__(self, options: argparse.Namespace, client: OpenIdClient, sessions: SessionTable) -> None:
        self._options = options
        self._client = client
        self._sessions = sessions
        self._base_url = options.base_url.rstrip("/")
        # Cookies ignore ports, so two RPs on localhost must not share a name.
        self._cookie = re.sub(r"[^a-z0-9]+", "_", options.name.lower()).strip("_") + "_session"
        self._templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
        self._mount_channels()

    def _mount_channels(self) -> None:
        options, channels = self._options, self._options.channel
        if "backchannel" in channels:
            validator = LogoutTokenValidator(
                options.issuer, options.client_id, self._client.jwks, alg=ID_TOKEN_ALG, require_typ=options.require_logout_token_typ
            )
            self.backchannel_logout = BackchannelLogout(validator, SeenTokens(), self._sessions)
        if "frontchannel" in channels:
            render = self._templates.get_template("frontchannel.html").render
            self.frontchannel_logout = FrontchannelLogout(
                options.issuer, self._session, self._close_session, lambda text: render(options=options, text=text)
            )
        self.session = SimpleNamespace()
        if self._is_told():
            self.session.events = SessionEvents(self._session)
            cherrypy.engine.subscribe("stop", self.session.events.close_all, priority=10)  # before the server waits for its threads
        if "status" in channels:
            fresh_s = options.status_poll_ms / 1000 / 2
            self.session.status = SessionStatus(self._client, self._sessions, self._session, fresh_s)

    def _is_told(self) -> bool:
        return not {"frontchannel", "backchannel"}.isdisjoint(self._options.channel)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def index(self, **query: Any) -> str:
        """Who is signed in, or a way to sign in."""
        session = self._session()
        if session is None or session.user is None:
            ended_by = session.ended_by if session is not None and session.ended_by is not None else query.get("notice")
            return self._page("signed_out.html", notice=NOTICES.get(str(ended_by)))
        user, identity = session.user, session.user.identity
        return self._page(
            "signed_in.html",
            user=user,
            auth_time=None if identity.auth_time is None else datetime.fromtimestamp(identity.auth_time, UTC),
            check_session_iframe=self._check_session_iframe(),
            is_told=self._is_told(),
            csrf_token=session.csrf_token,
        )

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET"])
    def login(self, **query: Any) -> None:
        """Begin a sign-in; `?prompt=login` asks the OP for its login page even if somebody is signed in there."""
        session = self._session() or self._open_session()
        self._ask_op(session, "/callback", prompt="login" if query.get("prompt") == "login" else None)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET"])
    def callback(self, **answer: Any) -> None:
        """The OP's answer to `login`: the End-User is signed in here, in a new RP session (no fixation)."""
        session = self._session()
        pending = self._take_pending(session, answer, "/callback")
        if session is None or pending is None:
            raise SignInRefused("invalid_state", "This sign-in was not begun in this browser, or it is long ago.")
        identity = self._client.finish(pending, _single(answer))
        name = self._client.display_name(identity)

        self._sessions.close(self._cookie_value())
        fresh = self._open_session()
        fresh.pending = session.pending
        try:
            self._sessions.sign_in(fresh, SignedIn(identity, name, secrets.token_urlsafe(12)))
        except AlreadyEnded as err:
            raise SignInRefused("session_ended", "You have signed out at the OpenID Provider meanwhile.") from err
        raise cherrypy.HTTPRedirect(self._base_url + "/", 303)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET"])
    def renew(self, **query: Any) -> str:
        """Loaded on `changed`, in a hidden iframe or by the page itself: ask the OP with `prompt=none` who is signed in now (OIDCSM-3.1).

        The ID Token goes along as the hint from here, so that no script ever holds it.
        """
        session = self._session()
        if session is None or session.user is None or session.user.sign_in_id != query.get("sign_in"):
            return self._renewal("other-user")  # another tab signed out, or somebody else in
        try:
            self._ask_op(session, "/silent", prompt="none", id_token_hint=session.user.identity.id_token)
        except OpUnreachable:
            return self._renewal("no-answer")

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET"])
    def silent(self, **answer: Any) -> str:
        """The OP's answer to `renew`. Tells the page what came of it; only the same user's answer is kept (OIDCSM-3.1)."""
        session = self._session()
        pending = self._take_pending(session, answer, "/silent")
        if session is None or (user := session.user) is None or pending is None:
            return self._renewal("refused")
        try:
            identity = self._client.finish(pending, _single(answer))
            if identity.sub != user.identity.sub:
                return self._renewal("other-user", ends=True)
            self._sessions.sign_in(session, SignedIn(identity, user.name, user.sign_in_id), instead_of=user)
        except (SignInRefused, AlreadyEnded):
            return self._renewal("refused", ends=True)
        except OpUnreachable:
            return self._renewal("no-answer")
        return self._renewal("same-user", identity.session_state)

    @cherrypy.expose("local-logout")
    @cherrypy.tools.allow(methods=["POST"])
    def local_logout(self, **form: Any) -> None:
        """Sign out here only, asked for by `session_watch.js`; having signed out already is a success too."""
        session = self._session()
        if session is not None:
            self._require_csrf(session, form)
            self._close_session()
        cherrypy.response.status = 204

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def logout(self, **form: Any) -> str:
        """The button: sign out here first, then at the OP, which sends the browser to `/signed-out` (OIDCRIL-2)."""
        session = self._session()
        if session is None or session.user is None:
            raise cherrypy.HTTPRedirect(self._base_url + "/", 303)
        self._require_csrf(session, form)
        id_token = session.user.identity.id_token
        self._close_session()

        state = secrets.token_urlsafe(24)
        url = self._client.logout_url(id_token, self._base_url + "/signed-out", state)
        if url is None:
            return self._page("signed_out.html", notice="You are signed out here. The OpenID Provider has no logout of its own.")
        self._open_session().logout_state = state
        raise cherrypy.HTTPRedirect(url, 303)

    @cherrypy.expose("signed-out")
    @cherrypy.tools.allow(methods=["GET"])
    def signed_out(self, **query: Any) -> str:
        """Where the OP sends the browser after a logout. Believed only with the `state` of a logout begun in this browser."""
        session = self._session()
        if session is None or not session.take_logout_state(_single(query).get("state")):
            raise cherrypy.HTTPError(400, "This is not the answer to a logout that was begun in this browser.")
        return self._page("signed_out.html", notice="You are signed out, here and at the OpenID Provider.")

    def _ask_op(self, session: BrowserSession, path: str, *, prompt: str | None, id_token_hint: str | None = None) -> NoReturn:
        url, state, pending = self._client.begin(self._base_url + path, prompt=prompt, id_token_hint=id_token_hint)
        session.remember(state, pending)
        raise cherrypy.HTTPRedirect(url, 303)

    def _take_pending(self, session: BrowserSession | None, answer: Mapping[str, Any], path: str) -> PendingSignIn | None:
        return None if session is None else session.take_pending(_single(answer).get("state"), self._base_url + path)

    def _renewal(self, outcome: str, session_state: str | None = None, *, ends: bool = False) -> str:
        """Tell the page around the iframe; or, where the page itself came here, `ends` says whether its session is over."""
        if self._options.renew_by == "page":
            if ends:
                self._close_session()
            raise cherrypy.HTTPRedirect(self._base_url + ("/?notice=ended" if ends else "/"), 303)
        cherrypy.response.headers["Content-Security-Policy"] = "default-src 'none'; script-src 'self'; frame-ancestors 'self'"
        cherrypy.response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return self._templates.get_template("renewal.html").render(outcome=outcome, session_state=session_state)

    def _page(self, template: str, **values: Any) -> str:
        cherrypy.response.headers["Content-Security-Policy"] = self._content_security_policy()
        return self._templates.get_template(template).render(options=self._options, **values)

    def _content_security_policy(self) -> str:
        # The OP may be framed (its iframe, the silent renewal) and may be where a form ends up (end_session_endpoint).
        op = urlsplit(self._options.issuer)
        allowed = f"'self' {op.scheme}://{op.netloc}"
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"frame-src {allowed}; form-action {allowed}; base-uri 'none'; frame-ancestors 'none'"
        )

    def _cookie_value(self) -> str | None:
        morsel = cherrypy.request.cookie.get(self._cookie)
        return None if morsel is None else morsel.value

    def _session(self) -> BrowserSession | None:
        return self._sessions.find(self._cookie_value())

    def _check_session_iframe(self) -> str | None:
        return self._client.metadata().get("check_session_iframe") if "session-management" in self._options.channel else None

    def _open_session(self) -> BrowserSession:
        session = self._sessions.open()
        self._set_cookie(session.key, self._sessions.lifetime_s)
        return session

    def _close_session(self) -> None:
        self._sessions.close(self._cookie_value())
        self._set_cookie("", 0)

    def _set_cookie(self, value: str, max_age: int) -> None:
        cookie = cherrypy.response.cookie
        cookie[self._cookie] = value
        # Lax: the OP's answer arrives by a link-like navigation, which Strict would leave without the cookie. The iframe of a front
        # channel at an OP of another site needs None, which browsers take with https alone (every form has a CSRF token anyway).
        is_https = self._base_url.startswith("https:")
        same_site = "None" if is_https and "frontchannel" in self._options.channel else "Lax"
        cookie[self._cookie].update({"path": "/", "max-age": max_age, "httponly": True, "samesite": same_site})
        if is_https:
            cookie[self._cookie]["secure"] = True

    def _require_csrf(self, session: BrowserSession, form: Mapping[str, Any]) -> None:
        # Another application on another port of this host is "same-site", so SameSite alone does not keep it out.
        if not session.accepts(_single(form).get("csrf_token")):
            raise cherrypy.HTTPError(403, "This form is not of your present session. Reload the page and try again.")

    def render_failure(self) -> None:
        """Answer what a handler raised: a page that says it, with a fitting status."""
        error = sys.exc_info()[1]
        if isinstance(error, SignInRefused):
            status, title, text = 400, "The sign-in did not work", f"{error.description} ({error.error})"
        elif isinstance(error, OpUnreachable):
            status, title, text = 502, "The OpenID Provider does not answer", "Try again in a moment."
        else:
            cherrypy.log("unexpected error", traceback=True)
            status, title, text = 500, "Something went wrong", "Try again in a moment."
        cherrypy.response.status = status
        cherrypy.response.headers["Content-Type"] = "text/html;charset=utf-8"
        cherrypy.response.body = self._page("failure.html", title=title, text=text).encode()
        add_security_headers()

    def render_http_error(self, status: str, message: str, traceback: str, version: str) -> str:
        """The page of an error that CherryPy itself, or a handler by `HTTPError`, answers; never a traceback."""
        return self._page("failure.html", title="That did not work", text=message if status[:1] == "4" else "Try again in a moment.")


def _single(parameters: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in parameters.values()):
        raise cherrypy.HTTPError(400, "A parameter is given more than once.")
    return dict(parameters)


def add_security_headers() -> None:
    """On every answer; a handler that set a header of its own keeps it."""
    headers = cherrypy.serving.response.headers
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    if "frame-ancestors 'none'" in headers["Content-Security-Policy"]:
        headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    if not cherrypy.serving.request.path_info.startswith(("/static/", "/session-monitor/")):
        headers.setdefault("Cache-Control", "no-store")


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; the secret may come as $RP_CLIENT_SECRET, which other users of the machine cannot read."""
    parser = argparse.ArgumentParser(description="An example RP.")
    parser.add_argument("--name", default="Example RP", help="shown on the pages; its session cookie is named after it")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--base-url", help="where browsers reach this RP (default: http://localhost:PORT)")
    parser.add_argument("--issuer", default="http://localhost:8080")
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--client-secret", default=os.environ.get("RP_CLIENT_SECRET"), help="none: a public client")
    parser.add_argument(
        "--channel",
        nargs="+",
        choices=("session-management", "frontchannel", "backchannel", "status"),
        default=["session-management"],
        help="how this RP learns that the OP session has ended, one or more; the page watches by the first that works",
    )
    parser.add_argument("--require-logout-token-typ", action="store_true", help="refuse Logout Tokens without typ logout+jwt")
    parser.add_argument("--poll-ms", type=int, default=5000, help="how often the page asks the OP iframe")
    parser.add_argument("--status-poll-ms", type=int, default=60000, help="how often the page asks this server, which asks the OP")
    parser.add_argument("--renew-by", choices=("frame", "page"), default="frame", help="where the prompt=none request is made")
    parser.add_argument("--renew-timeout-ms", type=int, default=10000, help="how long the page waits for a prompt=none answer")
    parser.add_argument("--cool-down-ms", type=int, default=30000, help="how long until the next one, when the last has settled nothing")
    parser.add_argument("--accent", choices=ACCENTS, default="blue", help="to tell several RPs apart at a glance")
    options = parser.parse_args(arguments)
    options.base_url = options.base_url or f"http://localhost:{options.port}"
    return options


def main() -> int:
    """Serve until a signal; 1 when the port is taken."""
    options = parse_options()
    client = OpenIdClient(options.issuer, options.client_id, options.client_secret)
    rp = ExampleRp(options, client, SessionTable())
    cherrypy.tools.security_headers = cherrypy.Tool("before_finalize", add_security_headers)
    cherrypy.config.update(
        {
            "environment": "production",
            "log.screen": False,  # the access log would hold codes; errors still reach stderr
            "server.socket_host": "127.0.0.1",
            "server.socket_port": options.port,
            "server.thread_pool": MAX_STREAMS + 10,  # so that streams never take every thread
            "server.max_request_body_size": 16 * 1024,
            "server.shutdown_timeout": 1,
        }
    )
    cherrypy.tree.mount(
        rp,
        "/",
        {
            "/": {
                "tools.security_headers.on": True,
                "tools.log_tracebacks.on": False,  # render_failure logs what is a surprise, and that only
                "request.error_response": rp.render_failure,
                "error_page.default": rp.render_http_error,
            },
            "/static": {"tools.staticdir.on": True, "tools.staticdir.dir": str(HERE / "static")},
            "/session-monitor": {
                "tools.staticdir.on": True,
                "tools.staticdir.dir": str(HERE.parent / "rp-helper"),
                "tools.staticdir.match": r"\.js$",
            },
        },
    )
    cherrypy.engine.signals.subscribe()
    try:
        cherrypy.engine.start()
    except OSError as err:
        print(f"{options.name} cannot listen on port {options.port}: {err}", file=sys.stderr)
        return 1
    cherrypy.engine.block()
    return 0


if __name__ == "__main__":
    sys.exit(main())
