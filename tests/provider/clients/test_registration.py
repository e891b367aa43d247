"""pyoidc's registration endpoint as it comes and as we hold it: what may be registered, what is refused, what stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oic_session_ext.errors import InvalidToken
from oic_session_ext.web.guarded_fetch import FetchFailed
from tests.provider.conftest import CLIENT_JWKS, Answer, Op, public_part

pytestmark = pytest.mark.filterwarnings("ignore")

GOOD = {"redirect_uris": ["https://new.example.com/cb"], "response_types": ["code"]}


@pytest.fixture(params=["hardened", "op"])
def ours(request: pytest.FixtureRequest) -> Op:
    return request.getfixturevalue(request.param)


def register(op: Op, body: bytes | str | None = None, **given: Any) -> Answer:
    return Answer.of(op.provider.registration_endpoint(json.dumps(GOOD | given) if body is None else body))


def outcome(op: Op, **given: str) -> int | str:
    """The HTTP status, or the name of what pyoidc raises."""
    try:
        return register(op, **given).status
    except Exception as err:  # noqa: BLE001 what it raises is what the test asks for
        return type(err).__name__


@pytest.mark.defect("3.19")
def test_a_secret_does_not_end_after_a_day(either: Op) -> None:
    answer = register(either)

    assert answer.status == 201
    assert (answer.json["client_secret_expires_at"] == 0) is not either.is_stock
    assert answer.json["redirect_uris"] == GOOD["redirect_uris"]


@pytest.mark.defect("2.22", "2.26", "2.30")
@pytest.mark.spec("REG-02", "REG-03")
@pytest.mark.parametrize(
    ("given", "theirs"),
    [
        ({"post_logout_redirect_uris": ["javascript:alert(1)"]}, 201),
        ({"frontchannel_logout_uri": "javascript:alert(1)"}, 201),
        ({"frontchannel_logout_uri": "https://another.example.com/fc"}, 201),
        ({"backchannel_logout_uri": "ftp://new.example.com/bc"}, 201),
        ({"backchannel_logout_uri": "http://169.254.169.254/latest"}, 201),
        ({"post_logout_redirect_uris": ["https://new.example.com/out#x"]}, 200),
        ({"frontchannel_logout_uri": "https://new.example.com/fc#x"}, 201),
        ({"backchannel_logout_uri": "https://new.example.com/bc#x"}, 201),
    ],
    ids=str,
)
def test_what_a_logout_must_not_lead_to(either: Op, given: dict[str, Any], theirs: int) -> None:
    before = set(either.clients)

    answer = register(either, **given)

    if either.is_stock:
        assert answer.status == theirs
        assert set(either.clients) > before  # half a client stays of a refused one
    else:
        assert (answer.status, answer.error) == (400, "invalid_client_metadata")
        assert set(either.clients) == before


@pytest.mark.defect("3.19")
@pytest.mark.parametrize(
    ("given", "theirs"),
    [
        ({"initiate_login_uri": "http://new.example.com/start"}, "AssertionError"),
        ({"id_token_encrypted_response_enc": "A128GCM"}, "AssertionError"),
        ({"id_token_signed_response_alg": "none"}, 201),
        ({"jwks_uri": "http://169.254.169.254/latest"}, 201),
    ],
    ids=str,
)
def test_what_is_nonsense(either: Op, given: dict[str, str], theirs: int | str) -> None:
    before = set(either.clients)

    assert outcome(either, **given) == (theirs if either.is_stock else 400)
    assert either.is_stock or set(either.clients) == before


@pytest.mark.defect("3.19")
def test_a_read_without_a_token(either: Op) -> None:
    try:
        status = Answer.of(either.provider.registration_endpoint("client_id=basic", method="GET")).status
    except AttributeError:
        status = None

    assert status == (None if either.is_stock else 401)


@pytest.mark.defect("3.19")
def test_what_a_client_may_trade_for_tokens_is_kept_although_it_does_not_say(either: Op) -> None:
    client_id = register(either).json["client_id"]

    assert either.clients[client_id].get("grant_types") == (None if either.is_stock else ["authorization_code"])


@pytest.mark.parametrize("authn", ["Bearer ", "Bearer   ", "Bearer x", "bearer x", "Basic x", "", None], ids=repr)
@pytest.mark.parametrize("query", ["client_id=basic", "client_id=nobody", "", "client_id=public&client_id=basic"])
def test_nobody_reads_a_registration_without_its_token(ours: Op, query: str, authn: str | None) -> None:
    answer = Answer.of(ours.provider.registration_endpoint(query, authn=authn, method="GET"))

    assert (answer.status, answer.error) == (401, "invalid_token")
    assert (answer.header("WWW-Authenticate") or "").startswith("Bearer ")


def test_an_op_may_demand_an_initial_access_token(ours: Op) -> None:
    def check_registrant(authn: str | None) -> None:
        if authn != "Bearer initial":
            raise InvalidToken("an initial access token is needed")

    ours.ext.policy.check_registrant = check_registrant
    before = set(ours.clients)

    refused = register(ours)
    taken = Answer.of(ours.provider.registration_endpoint(json.dumps(GOOD), authn="Bearer initial"))

    assert (refused.status, refused.error) == (401, "invalid_token")
    assert (taken.status, len(set(ours.clients) - before)) == (201, 1)


def test_a_client_reads_its_registration_with_its_token(ours: Op) -> None:
    made = register(ours).json

    read = Answer.of(
        ours.provider.registration_endpoint(
            f"client_id={made['client_id']}", authn=f"Bearer {made['registration_access_token']}", method="GET"
        )
    )

    assert read.json["client_id"] == made["client_id"]
    assert read.json["redirect_uris"] == GOOD["redirect_uris"]


def test_a_registered_client_signs_somebody_in(ours: Op) -> None:
    client = register(ours, token_endpoint_auth_method="client_secret_post").json
    browser = ours.browser()
    browser.use_pyoidc_login("alice")
    code = browser.authorize(client["client_id"], redirect_uri=GOOD["redirect_uris"][0]).in_query["code"]

    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": GOOD["redirect_uris"][0]}
    answer = ours.token(form | {"client_id": client["client_id"], "client_secret": client["client_secret"]})

    assert ours.claims(answer.json["id_token"])["aud"] == client["client_id"]


def test_registered_keys_are_kept(ours: Op) -> None:
    jwks = {"keys": [public_part(CLIENT_JWKS["keys"][0])]}

    client_id = register(ours, jwks=jwks, token_endpoint_auth_method="private_key_jwt").json["client_id"]

    assert ours.clients[client_id]["jwks"] == jwks


@pytest.mark.parametrize(
    ("uri", "listed", "status"),
    [
        ("https://sector.example.com/uris", ["https://new.example.com/cb", "https://x.example.com/"], 201),
        ("https://sector.example.com/uris", ["https://x.example.com/"], 400),
        ("https://sector.example.com/uris", {"https://new.example.com/cb": 1}, 400),
        ("https://sector.example.com/uris", FetchFailed("could not be fetched"), 400),
        ("http://127.0.0.1:1/uris", ["https://new.example.com/cb"], 400),
    ],
    ids=["listed", "not listed", "no list", "not there", "of this machine"],
)
def test_a_sector_is_joined_by_who_is_listed_in_it(
    ours: Op, monkeypatch: pytest.MonkeyPatch, uri: str, listed: FetchFailed | dict[str, int] | list[str], status: int
) -> None:
    def fetch(_: str) -> dict[str, int] | list[str]:
        if isinstance(listed, Exception):
            raise listed
        return listed

    monkeypatch.setattr(ours.ext.guarded_fetch, "json", fetch)
    before = set(ours.clients)

    answer = register(ours, sector_identifier_uri=uri, subject_type="pairwise")

    assert answer.status == status, answer.body
    assert (set(ours.clients) == before) is (status == 400)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', b"\xff", "[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(ours: Op, body: bytes | str) -> None:
    answer = register(ours, body)

    assert (answer.status, answer.error) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("name", ["client_id", "client_secret", "client_salt", "sector_id", "consent", "of_nobody"])
def test_a_client_cannot_choose_what_is_the_ops_to_say(ours: Op, name: str) -> None:
    made = register(ours, **{name: "chosen"}).json

    assert ours.clients[made["client_id"]].get(name) != "chosen"


@pytest.mark.parametrize("uris", [None, [], "https://new.example.com/cb", [5], ["javascript:alert(1)"], ["https://new.example.com/#x"]])
def test_redirect_uris_that_are_none_have_their_own_error(ours: Op, uris: list[int | str] | str | None) -> None:
    answer = register(ours, redirect_uris=uris)

    assert (answer.status, answer.error) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "value", [5, "x", [], {}, [5], [[]], [{}], True, "\0", {"keys": 5}, {"keys": [{"kty": "RSA", "n": "!"}]}], ids=repr
)
def test_no_value_of_any_name_is_a_fault(hardened: Op, value: Any) -> None:
    names = hardened.provider.server.message_factory.get_request_type("registration_endpoint").c_param

    for name in [*names, "client_name#de", "of_nobody", "client_id", "client_salt", "sector_id"]:
        before = set(hardened.clients)
        answer = register(hardened, **{name: value})
        assert answer.status in (201, 400), name
        assert answer.status == 201 or set(hardened.clients) == before, name
