"""Pairwise subjects of clients that register at pyoidc's own endpoint: one name for a sector, for ever (OIDCC-8.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from oic.oic.provider import Provider as StockProvider

from oic_session_ext.crypto import jose
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.provider import HardeningMixin
from tests.provider.conftest import PAGES, Answer, Op, _parts, make_key_jar

pytestmark = pytest.mark.filterwarnings("ignore")

SECTOR = "https://pair.example.com/uris"


@pytest.fixture(params=["hardened", "op"])
def ours(request: pytest.FixtureRequest) -> Op:
    return request.getfixturevalue(request.param)


def register(op: Op, path: str = "cb", host: str = "pair.example.com", **given: Any) -> str:
    """Register a pairwise client; return its id."""
    metadata = {"redirect_uris": [f"https://{host}/{path}"], "subject_type": "pairwise", "token_endpoint_auth_method": "client_secret_post"}
    answer = Answer.of(op.provider.registration_endpoint(json.dumps(metadata | given)))
    assert answer.status == 201, answer.body
    return answer.json["client_id"]


def sub_of(op: Op, client_id: str, user: str = "alice") -> str:
    """Return the name by which a client knows a user who signs in there."""
    client = op.clients[client_id]
    (uri, _), *_ = client["redirect_uris"]
    browser = op.browser()
    if op.own_store is None:
        browser.use_pyoidc_login(user)
    code = browser.authorize(client_id, redirect_uri=uri, login=user if op.own_store else None).in_query["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": uri}
    tokens = op.token(form | {"client_id": client_id, "client_secret": client["client_secret"]}).json
    return jose.read_unverified(tokens["id_token"]).claims["sub"]


@pytest.mark.defect("3.21")
def test_two_clients_of_one_host_know_a_user_by_one_name(either: Any) -> None:
    one, other = register(either), register(either, "other")

    assert (sub_of(either, one) == sub_of(either, other)) is not either.is_stock


@pytest.mark.defect("3.21")
def test_two_clients_of_one_sector_identifier_know_a_user_by_one_name(either: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["https://one.example.com/cb", "https://other.example.com/cb"]
    if either.is_stock:
        monkeypatch.setattr(either.provider.server, "http_request", lambda _: Answer(200, [], json.dumps(listed)))
        monkeypatch.setattr(Answer, "text", property(lambda answer: answer.body), raising=False)
    else:
        monkeypatch.setattr(either.ext.guarded_fetch, "json", lambda _: listed)

    subs = {sub_of(either, register(either, host=host, sector_identifier_uri=SECTOR)) for host in ("one.example.com", "other.example.com")}

    assert len(subs) == (2 if either.is_stock else 1)


def test_clients_of_two_sectors_and_two_users_have_names_of_their_own(ours: Op) -> None:
    clients = [register(ours), register(ours, host="another.example.com")]

    assert len({sub_of(ours, client, user) for client in clients for user in ("alice", "bob")}) == 4


def test_a_name_is_not_worked_out_without_the_ops_secret(hardened: Op, clock: Any) -> None:
    before = sub_of(hardened, register(hardened))
    elsewhere = another_server(hardened, clock, secret=b"n")
    elsewhere.clients.clear()

    assert sub_of(elsewhere, register(elsewhere)) != before


def another_server(op: Op, clock: Any, secret: bytes) -> Op:
    """The hardening alone, started on what another server keeps."""

    class Hardened(HardeningMixin, StockProvider):
        pass

    _, *rest = _parts({})
    cdb = json.loads(json.dumps({client_id: dict(row) for client_id, row in op.clients.items()}))
    secrets = SecretRing([secret * 32])
    provider = Hardened(op.provider.name, op.provider.sdb, cdb, *rest, keyjar=make_key_jar(), secrets=secrets, clock=clock, pages=PAGES)
    return Op(provider, clock)


def test_a_name_is_the_same_after_a_restart_and_under_another_secret(hardened: Op, clock: Any) -> None:
    client_id = register(hardened)
    before = sub_of(hardened, client_id)

    restarted = another_server(hardened, clock, secret=b"n")

    assert sub_of(restarted, client_id) == before
    assert sub_of(restarted, register(restarted, "later")) == before


def test_a_client_that_pyoidc_alone_has_registered_keeps_its_names_and_gives_them_to_its_sector(stock: Op, clock: Any) -> None:
    old = register(stock)
    before = sub_of(stock, old)

    hardened = another_server(stock, clock, secret=b"s")

    assert sub_of(hardened, old) == before
    assert sub_of(hardened, register(hardened, "new")) == before


def test_a_pairwise_client_without_a_host_is_refused(ours: Op) -> None:
    answer = Answer.of(
        ours.provider.registration_endpoint(
            json.dumps({"redirect_uris": ["com.example.app:/cb"], "application_type": "native", "subject_type": "pairwise"})
        )
    )

    assert (answer.status, answer.error) == (400, "invalid_client_metadata")


def test_a_hint_of_one_client_is_not_for_another_one_although_they_know_the_user_by_one_name(ours: Op) -> None:
    one, other = register(ours), register(ours, "other")
    hint = ours.id_token(sub=sub_of(ours, one), aud=one)

    answer = ours.browser().renew(other, redirect_uri="https://pair.example.com/other", id_token_hint=hint)

    assert answer.in_query["error"] == "invalid_request"
