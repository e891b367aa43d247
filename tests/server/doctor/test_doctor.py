"""`doctor`: what it finds in settings, in a store, at the issuer's address and at clients' logout addresses."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from oic_session_ext.cli import main
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.model import Client, NoticeState
from oic_session_ext.server.config.settings import ServerSettings
from oic_session_ext.server.doctor import Finding, Severity, diagnose
from oic_session_ext.server.doctor.frame_policy import refuses_frame
from oic_session_ext.server.doctor.rps import examine_rps
from oic_session_ext.server.doctor.store import registered_clients
from oic_session_ext.server.doctor.visits import Answer, Visits
from oic_session_ext.store import open_store
from oic_session_ext.store.changes import ClaimFact, EndOpSession, PutClient, PutOpSession
from oic_session_ext.testing.examples import example_notice, example_op_session
from tests.flows.machines.running_op import RunningOp

NOW = 1_800_000_000
HASH = "$argon2id$v=19$m=65536,t=3,p=4$vNQXOrVnjI8Us5NMAehSOw$ipMaAAF3MzYPWwNbqMKDLkV9T05bDViKUoaXnIKs1So"
ISSUER = "https://op.example.com"
GOOD: dict[str, Any] = {
    "issuer": ISSUER,
    "listen": {"proxy": {"trusted": ["10.0.0.1"]}},
    "users": [{"username": "alice", "password_hash": HASH}],
    "metrics": {"access_token": {"env": "METRICS_TOKEN"}},
}
BACK = {"backchannel_logout_uri": "https://rp.example.com/back"}


@pytest.fixture(autouse=True)
def _metrics_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "m" * 32)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., ServerSettings]:
    """Makes good settings on a SQLite file that is not there, with what a test changes."""

    def make(**changes: Any) -> ServerSettings:
        return ServerSettings.model_validate({**GOOD, "store": f"sqlite:///{tmp_path}/op.sqlite", **changes})

    return make


def rp(**metadata: Any) -> dict[str, Any]:
    return {"client_id": "rp", "client_secret": "s" * 32, "redirect_uris": ["https://rp.example.com/cb"]} | metadata


def found(settings: ServerSettings, visits: Visits | None = None) -> list[Finding]:
    return [each for each in diagnose(settings, visits=visits, now=NOW) if each.what != "does not exist yet"]


def only(settings: ServerSettings, visits: Visits | None = None) -> Finding:
    (finding,) = found(settings, visits)
    return finding


# --- settings


def test_of_a_good_deployment_there_is_nothing_to_say(settings: Callable[..., ServerSettings]) -> None:
    assert found(settings(clients=[rp(**BACK)])) == []


@pytest.mark.parametrize(
    ("changes", "about", "severity"),
    [
        ({"issuer": "http://localhost:8080"}, "issuer", Severity.WARNING),
        ({"issuer": "https://localhost"}, "issuer", Severity.NOTE),
        ({"listen": {}}, "listen", Severity.PROBLEM),
        ({"store": "memory:"}, "store", Severity.PROBLEM),
        ({"registration": {"mode": "open"}}, "registration.mode", Severity.WARNING),
        ({"logout": {"backchannel": {"allow_networks": ["0.0.0.0/0"]}}}, "logout.backchannel.allow_networks", Severity.WARNING),
        ({"session": {"idle_timeout": "2h", "absolute_timeout": "1h"}}, "session.idle_timeout", Severity.NOTE),
        ({"tokens": {"code_lifetime": "5s"}}, "tokens.code_lifetime", Severity.WARNING),
        ({"logging": {"level": "debug"}}, "logging.level", Severity.NOTE),
        ({"metrics": None}, "metrics", Severity.NOTE),
    ],
)
def test_a_setting_that_is_not_for_users_is_named(
    settings: Callable[..., ServerSettings], changes: dict[str, Any], about: str, severity: Severity
) -> None:
    finding = only(settings(**changes))

    assert (finding.about, finding.severity) == (about, severity)
    assert finding.impact
    assert finding.fix


def test_networks_of_ones_own_are_no_finding(settings: Callable[..., ServerSettings]) -> None:
    assert found(settings(logout={"backchannel": {"allow_networks": ["10.0.0.0/8", "fd00::/8", "127.0.0.0/8"]}})) == []


def test_passwords_in_plain_text_are_a_problem(settings: Callable[..., ServerSettings]) -> None:
    changes = {"issuer": "http://localhost:8080", "login": {"cheap_passwords_for_benchmarks": True}}

    about = [each.about for each in found(settings(**changes, users=[{"username": "a", "password": "b"}]))]

    assert about == ["issuer", "login.cheap_passwords_for_benchmarks"]


# --- clients


def test_a_client_on_another_site_is_told_what_browsers_hide(settings: Callable[..., ServerSettings]) -> None:
    client = rp(redirect_uris=["https://rp.example.org/cb", "https://rp.example.com/cb"], **BACK)

    finding = only(settings(clients=[client]))

    assert (finding.severity, finding.about) == (Severity.WARNING, "client rp")
    assert finding.what.endswith(": https://example.org")


@pytest.mark.parametrize(
    "changes",
    [
        {"session_management": {"status": True}},
        {"session_management": {"enabled": False}},
        {"clients": [rp(redirect_uris=["https://www.example.com/cb"], **BACK)]},
    ],
)
def test_where_the_iframe_works_or_is_not_needed_nothing_is_said_of_it(
    settings: Callable[..., ServerSettings], changes: dict[str, Any]
) -> None:
    assert found(settings(**{"clients": [rp(redirect_uris=["https://rp.example.org/cb"], **BACK)], **changes})) == []


def test_registrable_domains_decide_what_a_site_is(settings: Callable[..., ServerSettings]) -> None:
    neighbour = rp(redirect_uris=["https://other.github.io/cb"], **BACK)

    assert "another site" in only(settings(issuer="https://op.github.io", clients=[neighbour])).what


@pytest.mark.parametrize(
    ("metadata", "severity", "word"),
    [
        ({}, Severity.NOTE, "no logout URI"),
        ({"frontchannel_logout_uri": "https://rp.example.com/front"}, Severity.NOTE, "only a front-channel logout page"),
    ],
)
def test_a_client_that_hears_of_few_logouts_is_named(
    settings: Callable[..., ServerSettings], metadata: dict[str, Any], severity: Severity, word: str
) -> None:
    finding = only(settings(clients=[rp(**metadata)]))

    assert finding.severity is severity
    assert word in finding.what


def test_a_front_channel_alone_on_another_site_is_a_warning(settings: Callable[..., ServerSettings]) -> None:
    uris = {"redirect_uris": ["https://rp.example.org/cb"], "frontchannel_logout_uri": "https://rp.example.org/front"}

    finding = only(settings(clients=[rp(**uris)], session_management={"status": True}))

    assert finding.severity is Severity.WARNING
    assert "Safari" in finding.impact


def test_a_page_over_http_cannot_be_framed_by_an_https_op(settings: Callable[..., ServerSettings]) -> None:
    uris = {"redirect_uris": ["http://rp.example.com/cb"], "frontchannel_logout_uri": "http://rp.example.com/front", "allow_http": True}

    findings = found(settings(clients=[rp(**uris, **BACK)], session_management={"enabled": False}))

    assert [(each.severity, "mixed content" in each.impact) for each in findings] == [(Severity.PROBLEM, True)]


def test_clients_that_registered_themselves_are_examined_too(settings: Callable[..., ServerSettings], tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    metadata = {"redirect_uris": [["https://self.example.org/cb", {"a": ["b"]}]], **BACK}
    store.commit([PutClient(Client("self", metadata))])
    store.close()

    assert only(settings()).about == "client self"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"redirect_uris": [["http://rp.example.com/cb", None]]}, "http://rp.example.com/cb must be https"),
        ({"post_logout_redirect_uris": [["javascript:alert(1)", None]]}, "javascript:alert(1) must not have the scheme"),
        ({"frontchannel_logout_uri": "https://other.example.com/front"}, "frontchannel_logout_uri must have the scheme, host and port"),
    ],
)
def test_a_registered_client_that_would_be_refused_today_is_found(
    settings: Callable[..., ServerSettings], tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    store.commit([PutClient(Client("self", {"redirect_uris": [["https://rp.example.com/cb", None]], **BACK, **changes}))])
    store.close()

    assert [each for each in found(settings()) if each.severity is Severity.WARNING and word in each.what]


# --- secrets and keys


def test_files_that_others_can_read_are_a_problem(op: RunningOp, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text(SecretRing.generate_text())
    secrets.chmod(0o644)

    findings = diagnose(ServerSettings.model_validate(op.settings | {"secrets": {"file": str(secrets)}}), visits=None, now=NOW)

    assert [each.what for each in findings if each.about == "secrets and keys" and "chmod 600" in each.what]


def test_secrets_that_the_other_servers_do_not_have_are_a_problem(op: RunningOp, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text(SecretRing.generate_text())
    secrets.chmod(0o600)

    findings = diagnose(ServerSettings.model_validate(op.settings | {"secrets": {"file": str(secrets)}}), visits=None, now=NOW)

    assert [each.severity for each in findings if each.about == "secrets"] == [Severity.PROBLEM]


# --- the store


@pytest.mark.parametrize("uri", ["https://rp.example.com/cb#fragment", "https://rp.exämple.com/cb", "https://rp.example.com:port/cb"])
@pytest.mark.parametrize("name", ["redirect_uris", "frontchannel_logout_uri"])
def test_a_registered_uri_that_cannot_be_read_is_a_finding_and_hides_no_other(
    settings: Callable[..., ServerSettings], tmp_path: Path, name: str, uri: str
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    metadata = {"redirect_uris": [[uri, None]], **BACK} if name == "redirect_uris" else {"redirect_uris": [], name: uri}
    store.commit([PutClient(Client("odd", metadata)), PutClient(Client("without", {"redirect_uris": []}))])
    store.close()

    *odd, other = found(settings())

    assert {(each.about, each.severity) for each in odd} == {("client odd", Severity.WARNING)}
    assert [each for each in odd if "cannot be read" in each.what]
    assert (other.about, other.what) == ("client without", "has no logout URI")


def test_looking_at_a_store_that_is_not_there_does_not_make_it(settings: Callable[..., ServerSettings], tmp_path: Path) -> None:
    (finding,) = diagnose(settings(), visits=None, now=NOW)

    assert (finding.severity, finding.about) == (Severity.NOTE, "store")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["postgresql+psycopg://op@127.0.0.1:1/op", "redis://127.0.0.1:1"])
def test_a_store_that_cannot_be_reached_is_a_problem(
    settings: Callable[..., ServerSettings], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("OP_SECRETS", "c2VjcmV0" * 8)

    finding = only(settings(store=url, secrets={"env": "OP_SECRETS"}, keys={"in_store": True}))

    assert (finding.severity, finding.about) == (Severity.PROBLEM, "store")


def test_a_store_of_another_issuer_is_a_problem(settings: Callable[..., ServerSettings], tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    store.commit([ClaimFact("issuer", "https://old.example.com")])
    store.close()

    finding = only(settings())

    assert (finding.severity, finding.about) == (Severity.PROBLEM, "issuer")
    assert "https://old.example.com" in finding.what


def test_logouts_that_are_not_told_are_found(settings: Callable[..., ServerSettings], tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    session = example_op_session()
    waiting = example_notice("waiting", due_at=NOW - 1200)
    given_up = example_notice("given up", state=NoticeState.UNDELIVERABLE, due_at=NOW + 9999)
    store.commit([PutOpSession(session), EndOpSession(session, [waiting, given_up])])
    store.close()

    late, undeliverable = found(settings())

    assert (late.severity, "20 minutes" in late.what) == (Severity.PROBLEM, True)
    assert (undeliverable.severity, undeliverable.what) == (Severity.WARNING, "1 could not be delivered")


# --- visits


class Place:
    """A little web server that answers every GET as a test says, and notes what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.asked: list[tuple[str, str | None]] = []
        place = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place.asked.append((self.path, self.headers.get("Cookie")))
                self.send_response_only(place.status)
                for name, value in {"Date": formatdate(usegmt=True), "Content-Length": "0", **place.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(place.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}/logout"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.close()


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOp]:
    op = RunningOp(tmp_path_factory.mktemp("doctor"))
    op.start()
    yield op
    op.close()


def of_client(op: RunningOp, visits: Visits | None = None, allow: tuple[str, ...] = ("127.0.0.0/8",), **metadata: Any) -> list[Finding]:
    """What is found of a client on this machine, beyond what its registration says."""
    client = rp(**{"redirect_uris": ["http://127.0.0.1/cb"], **metadata})
    settings = op.settings | {"clients": [client], "logout": {"backchannel": {"allow_networks": allow}}}
    expected = {"issuer", "login.cheap_passwords_for_benchmarks", "metrics"}
    findings = diagnose(ServerSettings.model_validate(settings), visits=visits or Visits(), now=int(time.time()))
    return [each for each in findings if each.about not in expected and "only a front-channel" not in each.what]


def of_rps(settings: ServerSettings, **registered: Mapping[str, Any]) -> list[Finding]:
    """What visits to the clients tell: those of the settings, and those that registered themselves."""
    return list(examine_rps(settings, {**registered_clients(settings, None), **registered}, Visits()))


def test_a_running_op_is_well(op: RunningOp) -> None:
    assert of_client(op, backchannel_logout_uri=f"{op.issuer}/end_session") == []


def test_where_no_op_answers_is_a_problem(settings: Callable[..., ServerSettings]) -> None:
    *_, finding = found(settings(issuer="https://127.0.0.1:1"), Visits())

    assert (finding.severity, finding.about) == (Severity.PROBLEM, "issuer")
    assert "refused" in finding.what


@pytest.mark.parametrize(
    ("status", "headers", "severity"),
    [
        (200, {"X-Frame-Options": "DENY"}, Severity.PROBLEM),
        (200, {"Content-Security-Policy": "frame-ancestors https://rp.example.com"}, Severity.PROBLEM),
        (302, {"Location": "/login"}, Severity.WARNING),
        (500, {}, Severity.WARNING),
    ],
)
def test_a_front_channel_page_that_ends_nothing_is_found(
    op: RunningOp, place: Place, status: int, headers: dict[str, str], severity: Severity
) -> None:
    place.status, place.headers = status, headers

    (finding,) = of_client(op, frontchannel_logout_uri=place.uri, redirect_uris=[place.uri], allow_http=True)

    assert (finding.severity, finding.about) == (severity, "client rp")


@pytest.mark.parametrize("status", [200, 400])
def test_a_front_channel_page_that_can_be_framed_is_good_and_sees_no_cookie(op: RunningOp, place: Place, status: int) -> None:
    place.status = status

    assert of_client(op, frontchannel_logout_uri=f"{place.uri}?a=b", redirect_uris=[place.uri], allow_http=True) == []

    ((path, cookie),) = place.asked
    assert path.startswith("/logout?a=b&iss=http%3A%2F%2Flocalhost")
    assert "&sid=" in path
    assert cookie is None


@pytest.mark.parametrize("status", [301, 401, 404, 503])
def test_a_back_channel_that_will_not_take_a_token_is_found(op: RunningOp, place: Place, status: int) -> None:
    place.status = status

    (finding,) = of_client(op, backchannel_logout_uri=place.uri, redirect_uris=[place.uri], allow_http=True)

    assert (finding.severity, f"answers {status}" in finding.what) == (Severity.WARNING, True)


@pytest.mark.parametrize("status", [200, 400, 405])
def test_a_back_channel_that_wants_a_post_is_good(op: RunningOp, place: Place, status: int) -> None:
    place.status = status

    assert of_client(op, backchannel_logout_uri=place.uri, redirect_uris=[place.uri], allow_http=True) == []


def test_a_back_channel_that_the_op_may_not_call_any_more_is_found_and_not_visited(
    settings: Callable[..., ServerSettings], tmp_path: Path, place: Place
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    store.commit(
        [PutClient(Client("self", {"redirect_uris": [["https://www.example.com/cb", None]], "backchannel_logout_uri": place.uri}))]
    )
    store.close()

    (finding,) = (each for each in found(settings(), Visits()) if each.about == "client self")

    assert (finding.severity, "not an address of the public Internet" in finding.what) == (Severity.PROBLEM, True)
    assert place.asked == []


def test_a_name_that_leads_where_the_op_may_not_call_is_found_and_not_visited(
    settings: Callable[..., ServerSettings], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve_to(monkeypatch, "127.0.0.1")
    uri = place.uri.replace("127.0.0.1", "rp.example.com")
    client = rp(backchannel_logout_uri=uri, redirect_uris=[uri], allow_http=True)

    (finding,) = of_rps(settings(clients=[client]))

    assert (finding.severity, "leads to 127.0.0.1" in finding.what) == (Severity.PROBLEM, True)
    assert place.asked == []


def test_a_name_that_leads_here_and_elsewhere_is_not_visited(
    settings: Callable[..., ServerSettings], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve_to(monkeypatch, "127.0.0.1", "1.1.1.1")
    uri = place.uri.replace("127.0.0.1", "rp.example.com")
    client = rp(backchannel_logout_uri=uri, redirect_uris=[uri], allow_http=True)

    (finding,) = of_rps(settings(clients=[client]))

    assert (finding.severity, finding.about) == (Severity.NOTE, "client rp")
    assert place.asked == []


def test_a_front_channel_page_inside_is_visited_for_the_operators_own_clients_alone(
    settings: Callable[..., ServerSettings], place: Place
) -> None:
    own = rp(frontchannel_logout_uri=place.uri, redirect_uris=[place.uri], allow_http=True)

    (finding,) = of_rps(settings(clients=[own]), stranger={"frontchannel_logout_uri": f"{place.uri}/stranger"})

    assert (finding.about, finding.severity) == ("client stranger", Severity.NOTE)
    assert [path.partition("?")[0] for path, _ in place.asked] == ["/logout"]


def _resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name lead to these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize(
    "headers",
    [{"Content-Encoding": "gzip", "Content-Length": "5"}, {"Content-Length": "500"}, {"Transfer-Encoding": "chunked"}],
    ids=["not compressed", "too short", "not chunked"],
)
def test_a_body_that_is_not_what_its_head_says_is_no_answer(op: RunningOp, place: Place, headers: dict[str, str]) -> None:
    place.headers, place.body = headers, b"hello"

    (finding,) = of_client(op, frontchannel_logout_uri=place.uri, redirect_uris=[place.uri], allow_http=True)

    assert (finding.severity, "cannot be reached" in finding.what) == (Severity.WARNING, True)


def test_a_date_that_is_none_tells_nothing_of_the_clock(op: RunningOp, place: Place) -> None:
    place.headers = {"Date": f"Mon, 01 Jan 2026 00:00:00 +{'9' * 20}"}

    assert of_client(op, backchannel_logout_uri=place.uri, redirect_uris=[place.uri], allow_http=True) == []


def test_logout_addresses_where_nobody_listens_are_found(op: RunningOp) -> None:
    uris: dict[str, Any] = {"redirect_uris": ["http://127.0.0.1:1/cb"], "allow_http": True}
    uris |= {"frontchannel_logout_uri": "http://127.0.0.1:1/front", "backchannel_logout_uri": "http://127.0.0.1:1/back"}

    front, back = of_client(op, **uris)

    assert (front.severity, back.severity) == (Severity.WARNING, Severity.PROBLEM)


def test_a_clock_that_is_not_that_of_others_is_a_problem(op: RunningOp) -> None:
    (finding,) = of_client(op, Visits(clock=lambda: time.time() + 90), backchannel_logout_uri=f"{op.issuer}/end_session")

    assert (finding.severity, finding.about) == (Severity.PROBLEM, "clock")
    assert "ahead" in finding.what


# --- a proxy that changes what the OP says


@contextmanager
def behind(op: RunningOp, changed: Mapping[str, str | None], gone: tuple[str, ...] = (), *, names_proxy: bool = True) -> Iterator[str]:
    """A proxy before the OP; headers are replaced, or taken away where None; paths of `gone` answer 404."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in gone:
                self.send_error(404)
                return
            answer = requests.get(f"http://127.0.0.1:{op.port}{self.path}", timeout=10)
            body, headers = answer.content, {name: value for name, value in answer.headers.items() if name != "Content-Encoding"}
            body = body.replace(op.issuer.encode(), f"http://127.0.0.1:{server.server_port}".encode()) if names_proxy else body
            headers["Content-Length"] = str(len(body))
            self.send_response_only(answer.status_code)
            for name, value in {**headers, **changed}.items():
                if value is not None and name not in ("Transfer-Encoding", "Connection"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("changed", "gone", "what"),
    [
        ({"X-Frame-Options": "DENY", "Content-Security-Policy": None}, (), "/check_session has X-Frame-Options: DENY"),
        ({"X-Frame-Options": None, "Content-Security-Policy": None}, (), "allows every page to frame it"),
        ({}, ("/check_session",), "/check_session answers 404"),
    ],
)
def test_what_a_proxy_breaks_is_found(op: RunningOp, changed: dict[str, str | None], gone: tuple[str, ...], what: str) -> None:
    with behind(op, changed, gone) as issuer:
        settings = ServerSettings.model_validate(op.settings | {"issuer": issuer, "clients": []})
        findings = list(diagnose(settings, visits=Visits(), now=NOW))

    assert [each for each in findings if what in each.what and each.severity is Severity.PROBLEM], findings


def test_another_issuer_at_the_address_is_found(op: RunningOp) -> None:
    with behind(op, {}, names_proxy=False) as issuer:
        settings = ServerSettings.model_validate(op.settings | {"issuer": issuer, "clients": []})
        findings = list(diagnose(settings, visits=Visits(), now=NOW))

    assert [each for each in findings if f"with the issuer {op.issuer}" in each.what]


class Remembered(Visits):
    """Answers as an https OP would; `changes` are header lines of the authorization endpoint."""

    COOKIE = "op_browser_state=x; Path=/; Secure; SameSite=None"

    def __init__(self, **changes: str) -> None:
        super().__init__()
        self._headers = {"x-frame-options": "DENY", "set-cookie": self.COOKIE} | changes

    def get(self, uri: str) -> Answer:
        document = {"issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/authorization"}
        found = {f"{ISSUER}/.well-known/openid-configuration": (200, {"strict-transport-security": "max-age=1"}, document)}
        found[f"{ISSUER}/authorization"] = (400, self._headers, {})
        status, headers, body = found[uri]
        return Answer(status, MappingProxyType(headers), json.dumps(body).encode())


def test_what_arrives_as_the_server_sends_it_is_good(settings: Callable[..., ServerSettings]) -> None:
    assert found(settings(), Remembered()) == []


@pytest.mark.parametrize(
    "cookie",
    [
        "op_browser_state=x; Path=/; Secure; SameSite=Lax",
        "op_browser_state=x; Path=/; SameSite=None",
        "op_browser_state=x; Path=/; Secure; HttpOnly; SameSite=None",
        "op_session=; Max-Age=0, op_browser_state=x; Path=/; Secure",
    ],
)
def test_a_cookie_that_a_proxy_has_rewritten_is_found(settings: Callable[..., ServerSettings], cookie: str) -> None:
    finding = only(settings(), Remembered(**{"set-cookie": cookie}))

    assert (finding.severity, finding.about) == (Severity.PROBLEM, "session.browser_state_cookie")


@pytest.mark.parametrize("body", [b"[" * 60_000, b"\xff", b"null"], ids=["nested", "not UTF-8", "no object"])
def test_a_discovery_document_that_is_none_is_a_problem(settings: Callable[..., ServerSettings], body: bytes) -> None:
    class Strange(Visits):
        def get(self, _uri: str) -> Answer:
            return Answer(200, MappingProxyType({}), body)

    finding = only(settings(), Strange())

    assert (finding.severity, finding.about) == (Severity.PROBLEM, "issuer")


@pytest.mark.parametrize("header", [{"x-frame-options": "SAMEORIGIN"}, {"content-security-policy": "frame-ancestors 'self'"}])
def test_a_page_whose_address_has_no_origin_is_no_page_of_anybody_else(header: dict[str, str]) -> None:
    assert refuses_frame(header, "https://0x7f.1/logout", ISSUER) is not None


# --- the command


def test_the_command_prints_each_finding_and_ends_with_one_for_a_problem(op: RunningOp, tmp_path: Path) -> None:
    config = tmp_path / "op.yaml"
    config.write_text(json.dumps(op.settings))

    result = CliRunner().invoke(main, ["doctor", str(config), "--offline"])

    assert result.exit_code == 1
    assert "problem: login.cheap_passwords_for_benchmarks: is on" in result.stdout
    assert "    To fix it: " in result.stdout
    assert "1 problem" in result.stderr


def test_warnings_alone_are_good_unless_one_is_strict(settings: Callable[..., ServerSettings], tmp_path: Path) -> None:
    config = tmp_path / "op.yaml"
    config.write_text(json.dumps({**GOOD, "store": "sqlite:///op.sqlite", "registration": {"mode": "open"}}))

    codes = [CliRunner().invoke(main, ["doctor", str(config), "--offline", *more]).exit_code for more in ([], ["--strict"])]

    assert codes == [0, 1]


def test_findings_can_be_read_by_a_machine(settings: Callable[..., ServerSettings], tmp_path: Path) -> None:
    config = tmp_path / "op.yaml"
    config.write_text(json.dumps({**GOOD, "store": "sqlite:///op.sqlite", "registration": {"mode": "open"}}))

    lines = CliRunner().invoke(main, ["doctor", str(config), "--offline", "--json"]).stdout.splitlines()

    first = json.loads(lines[0])
    assert first.keys() == {"severity", "about", "what", "impact", "fix"}
    assert (first["severity"], first["about"]) == ("warning", "registration.mode")


def test_a_bad_file_ends_with_two(tmp_path: Path) -> None:
    (tmp_path / "op.yaml").write_text("issuer: nonsense")

    assert CliRunner().invoke(main, ["doctor", str(tmp_path / "op.yaml")]).exit_code == 2
