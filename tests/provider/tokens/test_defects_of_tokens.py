"""Which codes and tokens pyoidc takes, as it comes, hardened, and with everything."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.sessions.sweeper import Sweeper
from tests.provider.conftest import REDIRECT_URIS, SECRET, Answer, Op, basic_auth, request_of
from tests.provider.shown_on_both import code_of, outcome, signed_in

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.defect("3.1")
def test_a_code_of_another_client(either: Op) -> None:
    answer = either.redeem(code_of(either), "post", redirect_uri=REDIRECT_URIS["basic"])

    assert answer.status == (200 if either.is_stock else 400)


@pytest.mark.defect("3.1")
def test_a_client_that_calls_itself_another_one(either: Op) -> None:
    body = {"grant_type": "authorization_code", "code": code_of(either), "redirect_uri": REDIRECT_URIS["basic"], "client_id": "basic"}
    either.clients["other"] = either.clients["basic"] | {"client_id": "other", "client_secret": "o" * 32}

    assert either.token(body, basic_auth("other", "o" * 32)).status == (200 if either.is_stock else 401)


def refreshable(op: Op) -> str:
    browser = signed_in(op)
    answer = browser.authorize(scope="openid offline_access", prompt="consent")
    return op.redeem(answer.in_query["code"]).json["refresh_token"]


@pytest.mark.defect("3.2")
def test_a_refresh_token_of_another_client(either: Op) -> None:
    assert either.refresh(refreshable(either), "post").status == (200 if either.is_stock else 400)


@pytest.mark.defect("3.3")
def test_a_code_after_its_lifetime(either: Op) -> None:
    code = code_of(either)
    either.provider.sdb.token_factory["code"].lifetime = -5

    assert either.redeem(code).status == (200 if either.is_stock else 400)


@pytest.mark.parametrize("kind", ["hardened", "op"])
def test_one_code_in_many_threads(request: pytest.FixtureRequest, kind: str) -> None:
    op = request.getfixturevalue(kind)
    browser = signed_in(op)

    assert [race_for(op, browser.authorize().in_query["code"]) for _ in range(6)] == [1] * 6


def race_for(op: Op, code: str) -> int:
    barrier, statuses = threading.Barrier(4), []

    def redeem() -> None:
        barrier.wait()
        statuses.append(outcome(lambda: op.redeem(code)))

    threads = [threading.Thread(target=redeem) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses.count(200)


@pytest.mark.defect("3.4")
def test_a_code_between_its_check_and_its_mark(either: Op) -> None:
    code = code_of(either)
    make_token = either.provider.sdb.access_token
    others: list[threading.Thread] = []

    class WhileTokensAreMade:
        """Another thread redeems the same code, once the first one has found that it is good."""

        lifetime = make_token.lifetime

        def __getattr__(self, name: Any) -> Any:
            return getattr(make_token, name)

        def __call__(self, *args: Any, **kwargs: Any) -> str:
            if not others:
                others.append(threading.Thread(target=lambda: statuses.append(outcome(lambda: either.redeem(code)))))
                others[0].start()
                others[0].join(10 if either.is_stock else 0.2)  # with us it waits for the first one
            return make_token(*args, **kwargs)

    statuses = []
    either.provider.sdb.access_token = WhileTokensAreMade()
    statuses.append(outcome(lambda: either.redeem(code)))
    others[0].join()

    assert statuses.count(200) == (2 if either.is_stock else 1)


@pytest.mark.defect("3.13")
@pytest.mark.parametrize(
    ("params", "theirs", "ours"),
    [
        ({"redirect_uri": None}, "KeyError", (400, "invalid_grant")),
        ({"grant_type": "x"}, "UnSupported", (400, "unsupported_grant_type")),
        ({"grant_type": None}, 200, (400, "invalid_request")),
        ({"grant_type": "refresh_token", "code": None}, "KeyError", (400, "invalid_request")),
        ({"code": "x"}, 401, (400, "invalid_grant")),
    ],
    ids=["redirect_uri", "grant_type", "no grant_type", "refresh_token", "code"],
)
def test_the_token_endpoints_errors(either: Op, params: dict[str, Any], theirs: int | str, ours: tuple[int, str]) -> None:
    body = {"grant_type": "authorization_code", "code": code_of(either), "redirect_uri": REDIRECT_URIS["basic"]} | params
    body = {name: value for name, value in body.items() if value is not None}

    def ask() -> Answer:
        return either.token(body, basic_auth("basic", SECRET))

    if either.is_stock:
        assert outcome(ask) == theirs
    else:
        answer = ask()
        assert (answer.status, answer.error) == ours


@pytest.mark.defect("3.13")
def test_a_code_that_was_used(either: Op) -> None:
    code = code_of(either)
    either.redeem(code)

    answer = either.redeem(code)

    assert answer.error == ("access_denied" if either.is_stock else "invalid_grant")


@pytest.mark.defect("3.13")
def test_a_refresh_token_that_is_none(either: Op) -> None:
    answer = either.refresh("x")

    assert answer.error == ("invalid_request" if either.is_stock else "invalid_grant")


@pytest.mark.defect("3.13")
def test_a_wrong_secret(either: Op) -> None:
    answer = either.token({"grant_type": "authorization_code", "code": "x", "redirect_uri": "x"}, basic_auth("basic", "wrong"))

    assert answer.error == ("unauthorized_client" if either.is_stock else "invalid_client")
    assert bool(answer.header("WWW-Authenticate")) is not either.is_stock


@pytest.mark.defect("3.14")
def test_how_long_a_token_is_good_and_whose_state_is_where(either: Op) -> None:
    tokens = either.redeem(code_of(either)).json

    assert ("expires_in" in tokens) is not either.is_stock
    assert ("state" in tokens) is either.is_stock  # it belongs to the authorization response


@pytest.mark.defect("3.15")
@pytest.mark.spec("CO-08")
def test_auth_time_beside_claims_asked_for_by_name(either: Op) -> None:
    code = code_of(either, claims='{"id_token": {"email": null}}')

    claims = jose.read_unverified(either.redeem(code).json["id_token"]).claims
    assert claims["email"] == "alice@example.com"
    assert ("auth_time" in claims) is not either.is_stock


@pytest.mark.defect("3.16")
def test_userinfo_once_the_session_is_gone(either: Op) -> None:
    tokens = either.redeem(code_of(either)).json
    sdb = either.provider.sdb
    for grant_id in sdb.get_by_uid("alice"):
        del sdb[grant_id]

    assert outcome(lambda: either.userinfo(tokens["access_token"])) == ("KeyError" if either.is_stock else 401)


@pytest.mark.defect("3.16")
def test_a_code_for_an_access_token(either: Op) -> None:
    code = code_of(either)

    found = outcome(lambda: either.userinfo(code))

    # pyoidc keeps codes and tokens under one key, so it can tell; ours cannot even be opened
    assert found == ("FailedAuthentication" if either.is_stock else 401)


@pytest.mark.defect("3.16")
def test_a_401_is_a_challenge(either: Op) -> None:
    assert bool(either.userinfo("x").header("WWW-Authenticate")) is not either.is_stock


@pytest.mark.defect("3.18")
def test_a_wrong_code_verifier(either: Op) -> None:
    challenge = request_of("public")
    code = code_of(either, code_challenge=challenge["code_challenge"], code_challenge_method="S256")

    assert either.redeem(code, code_verifier="w" * 50).status == (200 if either.is_stock else 400)


@pytest.mark.defect("3.18")
def test_no_code_verifier(either: Op) -> None:
    challenge = request_of("public")
    code = code_of(either, code_challenge=challenge["code_challenge"], code_challenge_method="S256")

    assert either.redeem(code).status == (200 if either.is_stock else 400)


# -- what stays -----------------------------------------------------------------------------------------------------------------


@pytest.mark.defect("3.24")
def test_grants_that_nobody_has_redeemed_go_when_their_time_is_over(either: Op) -> None:
    browser = signed_in(either)
    for _ in range(50):
        assert "code" in browser.authorize().in_query
    either.clock.advance(86_400)

    for _ in range(3):
        browser = signed_in(either)
        browser.authorize()
        either.clock.advance(1)
    sweep(either)

    assert len(either.provider.sdb.get_by_uid("alice")) == (53 if either.is_stock else 3)


def sweep(op: Op) -> None:
    """Do what the process beside the requests does, where there is a store."""
    if op.own_store is not None:
        Sweeper(op.store, op.ext.clients, op.ext.settings, op.clock).sweep()


@pytest.mark.parametrize("kind", ["access token", "refresh token"])
def test_hardened_a_grant_stays_as_long_as_one_of_its_tokens(hardened: Op, kind: str) -> None:
    browser = signed_in(hardened)
    asked: dict[str, Any] = {} if kind == "access token" else {"scope": "openid offline_access", "prompt": "consent"}
    tokens = hardened.redeem(browser.authorize(**asked).in_query["code"]).json
    factories = hardened.provider.sdb.token_factory
    if kind == "refresh token":
        factories["access_token"].lifetime = -5
    hardened.clock.advance(80_000)  # pyoidc's own tokens go by the time of the machine, of which hardly any passes here

    signed_in(hardened).authorize()

    if kind == "access token":
        assert hardened.userinfo(tokens["access_token"]).status == 200
    else:
        assert hardened.refresh(tokens["refresh_token"]).status == 200


def test_hardened_a_grant_of_expired_tokens_goes_with_its_refresh_token(hardened: Op) -> None:
    browser = signed_in(hardened)
    hardened.redeem(browser.authorize(scope="openid offline_access", prompt="consent").in_query["code"])
    factories = hardened.provider.sdb.token_factory
    for kind in ("access_token", "refresh_token"):
        factories[kind].lifetime = -5
    hardened.clock.advance(80_000)

    signed_in(hardened).authorize()

    assert len(hardened.provider.sdb.get_by_uid("alice")) == 1
    assert factories["refresh_token"].token_storage == {}


def test_hardened_one_request_looks_at_a_few_old_grants_alone(hardened: Op) -> None:
    browser = signed_in(hardened)
    for _ in range(45):
        browser.authorize()
    hardened.clock.advance(80_000)
    browser = signed_in(hardened)

    left = []
    for _ in range(3):
        browser.authorize()
        left.append(len(hardened.provider.sdb.get_by_uid("alice")))

    assert left == [26, 7, 3]


@pytest.mark.defect("3.26")
def test_the_client_database_is_only_read(either: Op) -> None:
    before = copy.deepcopy(either.clients)

    either.redeem(code_of(either))

    assert (either.clients == before) is not either.is_stock
