"""Reading, replacing and deleting a registration (RFC 7592), and what one address may register."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from oic_session_ext.store.changes import Change, DeleteClient, UpdateClient
from oic_session_ext.web.guarded_fetch import FetchFailed
from tests.bundled_op import Op, OpBrowser, basic
from tests.wsgi_browser import Answer

REDIRECT_URI = "https://new.example.com/cb"
OFFERED = {"redirect_uris": [REDIRECT_URI], "client_name": "New", "backchannel_logout_uri": "https://back.example.com/bc"}


@pytest.fixture
def op(make_op: Callable[..., Op]) -> Op:
    return make_op(registration={"mode": "open", "max_per_address": 3})


def register(browser: OpBrowser, **given: Any) -> Answer:
    return browser.send("POST", "/registration", json.dumps(OFFERED | given).encode(), {"Content-Type": "application/json"})


def manage(browser: OpBrowser, method: str, client: dict[str, Any], body: dict[str, Any] | None = None, token: str | None = None) -> Answer:
    headers = {"Authorization": f"Bearer {client['registration_access_token'] if token is None else token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    target = client["registration_client_uri"].removeprefix("http://localhost:8080")
    return browser.send(method, target, b"" if body is None else json.dumps(body).encode(), headers)


@pytest.mark.spec("REG-08")
def test_reading_gives_what_registering_gave(browser: OpBrowser) -> None:
    client = register(browser, backchannel_logout_token_typ=False, frontchannel_logout_add_session=False).json

    answer = manage(browser, "GET", client)

    assert answer.status == 200
    assert answer.json == client
    assert client["backchannel_logout_token_typ"] is client["frontchannel_logout_add_session"] is False


def test_the_store_knows_the_digest_of_the_registration_access_token_alone(op: Op, browser: OpBrowser) -> None:
    client = register(browser).json

    kept = op.server.store.client(client["client_id"])
    assert kept is not None
    assert client["registration_access_token"] not in json.dumps(dict(kept.metadata))


def test_an_update_replaces_the_whole_and_keeps_the_secret(browser: OpBrowser) -> None:
    client = register(browser).json

    answer = manage(browser, "PUT", client, {"client_id": client["client_id"], "redirect_uris": [f"{REDIRECT_URI}2"]})

    assert answer.status == 200
    assert answer.json["redirect_uris"] == [f"{REDIRECT_URI}2"]
    assert "client_name" not in answer.json
    assert "backchannel_logout_uri" not in answer.json
    assert answer.json["client_secret"] == client["client_secret"]
    assert manage(browser, "GET", client).json == answer.json


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_id": "web"}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
        ({"client_secret": "mine"}, "invalid_request"),
        ({"client_secret_expires_at": 0}, "invalid_request"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"backchannel_logout_uri": "https://127.0.0.1/"}, "invalid_client_metadata"),
    ],
    ids=str,
)
def test_a_refused_update_changes_nothing(browser: OpBrowser, change: dict[str, Any], error: str) -> None:
    client = register(browser).json

    answer = manage(browser, "PUT", client, OFFERED | {"client_id": client["client_id"]} | change)

    assert (answer.status, answer.error) == (400, error)
    assert manage(browser, "GET", client).json == client


def test_a_client_that_is_deleted_while_it_is_replaced_does_not_come_back(
    op: Op, browser: OpBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = register(browser).json
    store = op.server.store
    commit = store.commit

    def commit_second(changes: Sequence[Change]) -> None:
        if any(isinstance(change, UpdateClient) for change in changes):
            commit([DeleteClient(client["client_id"])])  # by another server
        commit(changes)

    monkeypatch.setattr(store, "commit", commit_second)
    answer = manage(browser, "PUT", client, OFFERED | {"client_id": client["client_id"]})

    assert (answer.status, answer.error) == (401, "invalid_token")
    assert store.client(client["client_id"]) is None


def test_deleting_ends_the_client_its_tokens_and_its_registration_access_token_at_once(op: Op, browser: OpBrowser) -> None:
    client = register(browser).json
    page = browser.follow(browser.enter(browser.login_page(client_id=client["client_id"], redirect_uri=REDIRECT_URI)))
    code = browser.submit(page, "allow").query["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    tokens = browser.post("/token", form, {"Authorization": basic(client["client_id"], client["client_secret"])}).json
    assert browser.userinfo(tokens["access_token"]).status == 200

    answer = manage(browser, "DELETE", client)

    assert (answer.status, answer.body) == (204, b"")
    assert browser.userinfo(tokens["access_token"]).status == 401
    assert op.server.store.grant_ids("client_id", client["client_id"], 10) == []
    assert op.server.store.client(client["client_id"]) is None
    assert manage(browser, "GET", client).status == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_wrong_token_an_unknown_and_a_static_client_get_one_answer(browser: OpBrowser, method: str) -> None:
    client = register(browser).json
    body = {"client_id": client["client_id"]} if method == "PUT" else None
    others = [
        client | {"registration_client_uri": f"http://localhost:8080/registration?client_id={name}"} for name in ("nobody", "web", "")
    ]

    answers = [manage(browser, method, client, body, token="x" * 43), *(manage(browser, method, other, body) for other in others)]

    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
    assert manage(browser, "GET", client).status == 200


@pytest.mark.spec("SEC-08")
@pytest.mark.parametrize("name", ["backchannel_logout_uri", "jwks_uri", "sector_identifier_uri"])
@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "10.0.0.1", "2130706433", "localhost"])
def test_an_address_inside_of_the_network_is_refused(op: Op, browser: OpBrowser, name: str, host: str) -> None:
    answer = register(browser, **{name: f"https://{host}/x"})

    assert (answer.status, answer.error) == (400, "invalid_client_metadata")
    assert not op.server.store.client_ids()


@pytest.mark.spec("FC-07")
@pytest.mark.parametrize("query", ["iss=x", "a=1&sid=", "s%69d=x"])
def test_a_query_that_has_what_the_op_adds_is_refused(browser: OpBrowser, query: str) -> None:
    assert register(browser, frontchannel_logout_uri=f"https://new.example.com/fc?{query}").error == "invalid_client_metadata"


@pytest.mark.spec("FC-05", "BC-20")
@pytest.mark.parametrize("name", ["frontchannel_logout_add_session", "backchannel_logout_token_typ"])
def test_the_projects_own_switches_are_json_booleans(browser: OpBrowser, name: str) -> None:
    assert register(browser, **{name: "false"}).error == "invalid_client_metadata"


def test_one_address_registers_so_many_clients_within_the_window(op: Op, browser: OpBrowser) -> None:
    for _ in range(3):
        assert register(browser).status == 201

    refused = register(browser)
    other = register(op.browser("192.0.2.9"))
    op.clock.advance(3600)

    assert refused.status == 429
    assert int(refused.header("Retry-After") or 0) > 0
    assert other.status == 201
    assert register(browser).status == 201


def test_a_secret_that_expires_is_renewed_by_an_update(make_op: Callable[..., Op]) -> None:
    op = make_op(registration={"mode": "open", "client_secret_lifetime": 60})
    browser = op.browser()
    client = register(browser).json
    assert client["client_secret_expires_at"] == op.clock() + 60
    op.clock.advance(60)

    renewed = manage(browser, "PUT", client, OFFERED | {"client_id": client["client_id"]}).json

    assert renewed["client_secret"] != client["client_secret"]
    assert renewed["client_secret_expires_at"] == op.clock() + 60


@pytest.mark.spec("SEC-08", "REG-13")
def test_a_static_client_that_leads_inside_of_the_network_is_refused_unless_it_is_allowed(make_op: Callable[..., Op]) -> None:
    client = {"client_id": "near", "client_secret": "x", "redirect_uris": [REDIRECT_URI], "backchannel_logout_uri": "https://10.1.2.3/bc"}

    with pytest.raises(ValueError, match="public Internet"):
        make_op(clients=[client])
    assert make_op(clients=[client], logout={"backchannel": {"allow_networks": ["10.1.0.0/16"]}})


@pytest.mark.parametrize(
    ("listed", "status"),
    [([REDIRECT_URI, "https://other.example.com/cb"], 201), ([], 400), ({"x": 1}, 400), (FetchFailed("could not be fetched"), 400)],
    ids=["all of them", "none of them", "no list", "not there"],
)
def test_a_sector_must_list_every_redirect_uri(
    op: Op, browser: OpBrowser, listed: Any, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(uri: str) -> Any:
        if isinstance(listed, Exception):
            raise listed
        return listed

    monkeypatch.setattr(op.server.op.session_management.guarded_fetch, "json", fetched)

    answer = register(browser, subject_type="pairwise", sector_identifier_uri="https://sector.example.com/uris.json")

    assert (answer.status, len(op.server.store.client_ids())) == (status, int(status == 201))
    if status == 201:
        registered = op.server.op.session_management.client(answer.json["client_id"])
        assert registered is not None
        assert registered["sector_id"] == "sector.example.com"
