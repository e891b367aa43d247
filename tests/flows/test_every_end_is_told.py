"""However an OP session ends, its RPs are told over HTTP, once, by one of two servers on the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

import pytest
from click.testing import CliRunner

from oic_session_ext.cli import main
from oic_session_ext.model import NEEDS_BROWSER, NoticeState
from oic_session_ext.server.app import Server, build_server
from oic_session_ext.server.operations import background
from oic_session_ext.testing.fake_clock import FakeClock
from tests.bundled_op import CLIENTS, OpBrowser, make_settings
from tests.examples.fault_rp_process import FaultRpProcess, serving_fault_rp
from tests.flows.machines.engine import NAMES, running_engine
from tests.flows.machines.running_op import RunningOp
from tests.wsgi_browser import Answer

WAIT_S = 60
REDIRECT_URI = "https://nowhere.example.com/cb"
IDLE_S = 3600
LIFETIME_S = 7200


@dataclass
class Pair:
    """Two servers that tell RPs, on one store and one clock; `web` and `other` have a back channel, `front` has a front channel alone."""

    servers: tuple[Server, Server]
    clock: FakeClock
    faulty: FaultRpProcess
    config: str
    issuer: str
    sids: list[str] = field(default_factory=list)

    def browser(self) -> OpBrowser:
        """A browser that has never been here, at the first server."""
        return OpBrowser(self.servers[0].application, self.issuer)

    def sign_in(self, *client_ids: str, user: str = "alice") -> OpBrowser:
        """A browser with a session at these clients, whose `sid`s are noted."""
        browser = self.browser()
        browser.enter(browser.login_page(client_ids[0]), user)
        for client_id in client_ids[1:]:
            assert "code" in browser.renew(client_id).query
        self.note(browser)
        return browser

    def note(self, browser: OpBrowser) -> None:
        """Note whom the end of a browser's session concerns; those with a front channel alone are not told."""
        session = self.servers[0].op.session_of(f"op_session={browser.jar['op_session']}")
        assert session is not None
        self.sids += [rp.sid for rp in session.rp_sessions if rp.client_id != "front"]

    def sweep_both(self) -> list[int]:
        """Sweep at both servers in the same moment; return how many sessions each has ended."""
        ready = Barrier(2)

        def sweep(server: Server) -> int:
            ready.wait(10)
            return server.sweeper.sweep()

        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(sweep, self.servers))

    def told(self) -> list[str]:
        """The `sid`s that RPs were told of so far, in order."""
        return [request["sid"] for request in self.faulty.received()]

    def wait(self) -> None:
        """Wait until no notice is pending."""
        until(lambda: not self.servers[0].store.notice_counts().get(NoticeState.PENDING, 0))


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultRpProcess]:
    with serving_fault_rp() as rp:
        yield rp


@pytest.fixture(scope="module", params=NAMES)
def started_pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keys_file: str, faulty: FaultRpProcess
) -> Iterator[Pair]:
    """On each engine in turn. They deliver; that they sweep is for each test to say."""
    folder = tmp_path_factory.mktemp("pair")
    other = {"client_id": "other", "redirect_uris": [REDIRECT_URI]}
    front = {"client_id": "front", "redirect_uris": [REDIRECT_URI], "frontchannel_logout_uri": "https://nowhere.example.com/fc"}
    clock = FakeClock(int(time.time()))
    with running_engine(request.param, folder) as engine:
        op = RunningOp(
            folder,
            store=engine.url,
            keys=keys_file,
            secrets={"file": str(folder / "secrets")},
            session={"idle_timeout": f"{IDLE_S}s", "absolute_timeout": f"{LIFETIME_S}s"},
            clients=[
                CLIENTS[0] | {"backchannel_logout_uri": faulty.uri("ok", "web")},
                CLIENTS[0] | other | {"backchannel_logout_uri": faulty.uri("ok", "other")},
                CLIENTS[0] | front,
            ],
            registration={"mode": "open", "allow_http": True},
            logout={"backchannel": {"allow_networks": ["127.0.0.0/8"], "first_pause": "1s"}},
        )
        settings = make_settings(**op.settings)
        servers = (build_server(settings, clock=clock), build_server(settings, clock=clock))
        for server in servers:
            server.op.session_management.delivery.start()
        yield Pair(servers, clock, faulty, str(folder / "op.yaml"), op.issuer)
        for server in servers:
            server.op.session_management.delivery.stop()
            server.store.close()


@pytest.fixture
def pair(started_pair: Pair) -> Pair:
    """The servers as new: nobody is signed in, nobody was told of anything."""
    started_pair.clock.advance(LIFETIME_S)
    started_pair.sweep_both()
    started_pair.wait()
    for notice in started_pair.servers[0].store.notices(100):
        run("notices", "drop", started_pair.config, notice.id)
    started_pair.faulty.forget()
    started_pair.sids.clear()
    return started_pair


on_sqlite = pytest.mark.parametrize("started_pair", ["sqlite"], indirect=True)


def until(is_so: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def run(group: str, command: str, *arguments: str) -> list[dict[str, Any]]:
    """Use the command line; return the JSON that it prints."""
    result = CliRunner().invoke(main, [group, command, *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


# -- time runs out -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("BC-40", "WR-12")
@pytest.mark.parametrize("uses", [0, 2], ids=["idle", "in use until its time is up"])
def test_of_a_session_that_runs_out_each_rp_is_told_once_though_two_servers_sweep(pair: Pair, uses: int) -> None:
    browsers = [pair.sign_in("web", "other", "front") for _ in range(4)]
    for _ in range(uses):
        pair.clock.advance(LIFETIME_S // 3)
        assert all("code" in browser.renew("web").query for browser in browsers)
    pair.clock.advance(LIFETIME_S // 3 if uses else IDLE_S)

    ended = pair.sweep_both()

    pair.wait()
    assert sum(ended) == len(browsers)
    assert sorted(pair.told()) == sorted(pair.sids)


@pytest.mark.spec("FC-02")
def test_who_has_a_front_channel_alone_is_not_told_when_time_runs_out_and_the_operator_can_see_it(pair: Pair) -> None:
    pair.sign_in("web", "front")
    pair.clock.advance(IDLE_S)

    pair.sweep_both()

    pair.wait()
    listed = run("notices", "list", pair.config)
    assert [(notice["client_id"], notice["channel"], notice["state"], notice["reason"]) for notice in listed] == [
        ("front", "frontchannel", "undeliverable", "idle")
    ]
    assert listed[0]["problem"] == NEEDS_BROWSER


@on_sqlite
def test_a_server_sweeps_and_tells_within_one_interval(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "SWEEP_EVERY_S", 0.2)
    pair.sign_in("web", "other")
    sweeping = [background.Background(server.sweeper, server.shared.check, None) for server in pair.servers]
    for one in sweeping:
        one.start()
    before = pair.told()

    pair.clock.advance(IDLE_S)

    until(lambda: len(pair.told()) >= len(pair.sids))
    for one in sweeping:
        one.stop()
    pair.wait()
    assert before == []
    assert sorted(pair.told()) == sorted(pair.sids)


# -- somebody ends it ----------------------------------------------------------------------------------------------------------


@on_sqlite
def test_when_another_user_signs_in_the_rps_of_the_one_before_are_told(pair: Pair) -> None:
    browser = pair.sign_in("web", "other")

    browser.enter(browser.login_page("web", prompt="login"), "bob")

    pair.wait()
    assert sorted(pair.told()) == sorted(pair.sids)
    assert browser.is_signed_in("web")


@on_sqlite
@pytest.mark.spec("BC-05", "BC-40", "BC-06", "WR-12")
def test_sessions_that_an_operator_ends_are_told_one_by_one(pair: Pair) -> None:
    browsers = [pair.sign_in("web", "other") for _ in range(2)]
    bystander = pair.sign_in("web", user="bob")
    of_bob = pair.sids.pop()

    ended = run("sessions", "end", pair.config, "--user", "alice", "--yes")

    pair.wait()
    assert len(ended) == 2
    assert sorted(pair.told()) == sorted(pair.sids)
    assert of_bob not in pair.told()
    assert [browser.is_signed_in("web") for browser in (*browsers, bystander)] == [False, False, True]


# -- a client changes ----------------------------------------------------------------------------------------------------------


class Registered:
    """A client that registered itself, whose back channel an RP with a fault serves."""

    def __init__(self, pair: Pair, fault: str) -> None:
        self._pair = pair
        self.offered = {"redirect_uris": [REDIRECT_URI], "backchannel_logout_uri": pair.faulty.uri(fault, "registered")}
        answer = self._send("POST", "/registration", self.offered)
        assert answer.status == 201, answer.body
        self.client_id = answer.json["client_id"]
        self._token = answer.json["registration_access_token"]

    def sign_in(self, *client_ids: str) -> OpBrowser:
        """A browser with a session at this client and others."""
        browser = self._pair.browser()
        browser.submit(browser.follow(browser.enter(browser.login_page(self.client_id))), "allow")
        for client_id in client_ids:
            assert "code" in browser.renew(client_id).query
        self._pair.note(browser)
        return browser

    def listen_at(self, fault: str) -> None:
        """Register another address."""
        uri = self._pair.faulty.uri(fault, "moved")
        assert self._send("PUT", self._path, self.offered | {"client_id": self.client_id, "backchannel_logout_uri": uri}).status == 200

    def delete(self) -> None:
        """Register no longer."""
        assert self._send("DELETE", self._path, None).status == 204

    @property
    def _path(self) -> str:
        return f"/registration?client_id={self.client_id}"

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        headers = {} if method == "POST" else {"Authorization": f"Bearer {self._token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self._pair.browser().send(method, path, b"" if body is None else json.dumps(body).encode(), headers)


def log_out(browser: OpBrowser) -> Answer:
    return browser.submit(browser.end_session(), "logout")


@on_sqlite
def test_a_client_that_has_moved_is_told_where_it_listens_now(pair: Pair) -> None:
    client = Registered(pair, "ok")
    browser = client.sign_in()
    client.listen_at("no-content")

    log_out(browser)

    pair.wait()
    assert [request["path"].split("/")[2] for request in pair.faulty.received()] == ["no-content"]


@on_sqlite
def test_what_could_not_be_told_is_told_at_the_new_address_of_the_client(pair: Pair) -> None:
    client = Registered(pair, "503")
    page = log_out(client.sign_in())
    client.listen_at("ok")

    pair.clock.advance(60)

    pair.wait()
    assert "outcome pending" in page.text
    first, second = pair.faulty.received()
    assert [request["path"].split("/")[2] for request in (first, second)] == ["503", "ok"]
    assert first["sid"] == second["sid"]
    assert first["jti"] != second["jti"]


@on_sqlite
def test_a_client_that_is_registered_no_longer_is_told_nothing_and_the_others_are(pair: Pair) -> None:
    client = Registered(pair, "ok")
    browser = client.sign_in("web", "other")
    client.delete()

    page = log_out(browser)

    pair.wait()
    assert page.text.count("outcome signed_out") == 2
    assert page.text.count("outcome not_told") == 1
    assert {request["path"].split("/")[3] for request in pair.faulty.received()} == {"web", "other"}


@on_sqlite
def test_what_waits_for_a_client_that_has_gone_is_given_up_on_where_the_operator_can_see_it(pair: Pair) -> None:
    client = Registered(pair, "503")
    log_out(client.sign_in())
    client.delete()

    pair.clock.advance(60)

    pair.wait()
    [notice] = run("notices", "list", pair.config)
    assert (notice["client_id"], notice["state"], notice["problem"]) == (client.client_id, "undeliverable", "client_unknown")
