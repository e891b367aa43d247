"""The standard claims: each scope or wish tells its own, with the right JSON types (OIDCC-5.1, -5.4, -5.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from oic_session_ext.crypto import jose
from tests.bundled_op import Op, OpBrowser, make_settings
from tests.wsgi_browser import Browser

PROFILE = {
    "name": "Alice Liddell",
    "given_name": "Alice",
    "family_name": "Liddell",
    "middle_name": "Pleasance",
    "nickname": "al",
    "preferred_username": "alice",
    "profile": "https://alice.example.com/",
    "picture": "https://alice.example.com/me.png",
    "website": "https://alice.example.com/",
    "gender": "female",
    "birthdate": "1852-05-04",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "updated_at": 1311280970,
}
BY_SCOPE: dict[str, dict[str, Any]] = {
    "profile": PROFILE,
    "email": {"email": "alice@example.com", "email_verified": False},
    "address": {"address": {"formatted": "1 High Street\nOxford", "locality": "Oxford", "country": "GB"}},
    "phone": {"phone_number": "+44 1865 000000", "phone_number_verified": True},
}
ALL = {name: value for claims in BY_SCOPE.values() for name, value in claims.items()}
IN_LANGUAGES = {
    "given_name#fr": "Alix",
    "given_name#ja-Kana-JP": "アリス",
    "address#fr": {"locality": "Oxford", "country": "Grande-Bretagne"},
}
OWN = {"shoe_size": 38}
OF_THE_TOKEN = {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "nonce", "sid"}


@pytest.fixture(scope="module")
def op(keys_file: str) -> Op:
    users = [
        {"username": "alice", "password": "wonderland", "claims": ALL | IN_LANGUAGES | OWN},
        {"username": "bob", "password": "builder"},
    ]
    return Op.build(make_settings(keys_file, users=users))


@pytest.fixture(scope="module")
def signed_in(op: Op) -> OpBrowser:
    browser = op.browser()
    browser.sign_in()
    return browser


def told(browser: OpBrowser, **changes: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the ID Token and userinfo tell of the user for a request with the code flow."""
    tokens = browser.redeem(browser.renew(**changes).query["code"]).json
    info = browser.userinfo(tokens["access_token"]).json
    sub = info.pop("sub")
    assert sub == jose.read_unverified(tokens["id_token"]).claims["sub"]
    return of_the_user(tokens["id_token"]), info


def of_the_user(id_token: str) -> dict[str, Any]:
    return {name: value for name, value in jose.read_unverified(id_token).claims.items() if name not in OF_THE_TOKEN}


@pytest.mark.spec("OIDCC-5.1", "OIDCC-5.4")
@pytest.mark.parametrize("scope", BY_SCOPE)
def test_a_scope_tells_its_claims_at_userinfo_alone(signed_in: OpBrowser, scope: str) -> None:
    in_id_token, at_userinfo = told(signed_in, scope=f"openid {scope}")

    assert at_userinfo == BY_SCOPE[scope]
    assert in_id_token.keys() <= {"at_hash"}


def test_all_scopes_tell_everything(signed_in: OpBrowser) -> None:
    assert told(signed_in, scope="openid phone address email profile")[1] == ALL


def test_openid_alone_tells_nothing(signed_in: OpBrowser) -> None:
    assert told(signed_in)[1] == {}


@pytest.mark.spec("OIDCC-5.4")
@pytest.mark.parametrize(("response_type", "is_told"), [("id_token", True), ("id_token token", False), ("code id_token", False)])
def test_where_no_access_token_is_issued_the_id_token_tells_them(signed_in: OpBrowser, response_type: str, is_told: bool) -> None:
    answer = signed_in.renew(response_type=response_type, scope="openid email address")

    told_here = of_the_user(answer.fragment["id_token"])
    assert (told_here == BY_SCOPE["email"] | BY_SCOPE["address"]) is is_told
    assert is_told or told_here.keys() <= {"at_hash", "c_hash"}


@pytest.mark.spec("OIDCC-5.5")
@pytest.mark.parametrize("wish", [None, {"essential": True}, {"essential": False}])
def test_a_claim_asked_for_by_name_is_told_where_it_was_asked_for(signed_in: OpBrowser, wish: Any) -> None:
    claims = {"userinfo": {"nickname": wish, "email_verified": wish}, "id_token": {"phone_number": wish, "auth_time": wish}}

    in_id_token, at_userinfo = told(signed_in, claims=json.dumps(claims))

    assert at_userinfo == {"nickname": "al", "email_verified": False}
    assert in_id_token == {"phone_number": "+44 1865 000000"}


def test_claims_by_name_come_beside_those_of_the_scope(signed_in: OpBrowser) -> None:
    _, at_userinfo = told(signed_in, scope="openid phone", claims='{"userinfo": {"name": null}}')

    assert at_userinfo == BY_SCOPE["phone"] | {"name": "Alice Liddell"}


@pytest.mark.spec("OIDCC-5.1", "OIDCC-5.5")
@pytest.mark.parametrize("part", ["userinfo", "id_token"])
def test_every_claim_of_the_user_can_be_asked_for_by_name_in_either_place(signed_in: OpBrowser, part: str) -> None:
    answer = told(signed_in, claims=json.dumps({part: dict.fromkeys([*ALL, *OWN])}))

    assert answer == ((ALL | OWN, {}) if part == "id_token" else ({}, ALL | OWN))


@pytest.mark.spec("OIDCC-5.5.1")
@pytest.mark.parametrize("part", ["userinfo", "id_token"])
def test_a_claim_that_is_wished_for_with_a_value_is_told_only_with_that_value(signed_in: OpBrowser, part: str) -> None:
    wishes: dict[str, Any] = {
        "email": {"value": "alice@example.com"},
        "nickname": {"values": ["ally", "al"]},
        "family_name": {"value": "Hargreaves", "essential": True},
        "email_verified": {"value": True, "essential": True},
        "phone_number_verified": {"value": 1},
        "locale": {"values": []},
    }
    both = told(signed_in, claims=json.dumps({part: wishes}))

    assert both[part == "userinfo"] == {"email": "alice@example.com", "nickname": "al"}
    assert both[part != "userinfo"] == {}


@pytest.mark.spec("OIDCC-5.5.1")
def test_a_wish_for_a_value_holds_for_a_claim_of_the_scope_too(signed_in: OpBrowser) -> None:
    claims = json.dumps({"userinfo": {"email": {"value": "other@example.com"}}})

    assert told(signed_in, scope="openid email", claims=claims)[1] == {"email_verified": False}


@pytest.mark.spec("OIDCC-5.4", "OIDCC-5.5.1")
def test_an_id_token_in_place_of_userinfo_follows_what_is_asked_of_the_id_token(signed_in: OpBrowser) -> None:
    claims = {"id_token": {"email": {"value": "other@example.com"}, "nickname": None}, "userinfo": {"phone_number": None}}

    answer = signed_in.renew(response_type="id_token", scope="openid email", claims=json.dumps(claims))

    assert of_the_user(answer.fragment["id_token"]) == {"email_verified": False, "nickname": "al"}


@pytest.mark.spec("OIDCC-5.2")
@pytest.mark.parametrize(
    ("locales", "expected"),
    [
        ("fr-CA", {"given_name": "Alix", "address": IN_LANGUAGES["address#fr"]}),
        ("ja-Kana-JP fr", {"given_name": "アリス", "address": IN_LANGUAGES["address#fr"], **IN_LANGUAGES}),
        ("de", {"given_name": "Alice", "address": ALL["address"]}),
    ],
)
def test_claims_are_told_in_the_languages_asked_for(signed_in: OpBrowser, locales: str, expected: dict[str, Any]) -> None:
    claims = json.dumps({"id_token": {"given_name": None, "address": None}, "userinfo": {"given_name": None, "address": None}})

    assert told(signed_in, claims=claims, claims_locales=locales) == (expected, expected)


@pytest.mark.spec("OIDCC-5.2")
def test_a_claim_may_be_asked_for_by_name_and_language(signed_in: OpBrowser) -> None:
    assert told(signed_in, claims='{"userinfo": {"given_name#fr": null, "given_name#de": null}}')[1] == {"given_name#fr": "Alix"}


@pytest.mark.spec("OIDCC-5.5.1")
def test_a_claim_that_nobody_knows_is_left_out(signed_in: OpBrowser) -> None:
    claims = {part: {"hat_size": {"essential": True}, "email": None} for part in ("userinfo", "id_token")}

    assert told(signed_in, claims=json.dumps(claims)) == ({"email": "alice@example.com"}, {"email": "alice@example.com"})


@pytest.mark.spec("OIDCC-5.3.2")
def test_a_user_without_claims_is_a_sub(op: Op) -> None:
    browser = op.browser()
    token = browser.sign_in(user="bob", scope="openid profile email address phone")["access_token"]

    assert browser.userinfo(token).json.keys() == {"sub"}


@pytest.mark.spec("OIDCC-5.2", "OIDCC-3.1.2.1")
@pytest.mark.parametrize("wish", ["ui_locales", "claims_locales"])
@pytest.mark.parametrize("locales", ["se", "de-DE fr", "xx-not-a-language"])
def test_a_language_that_is_not_there_fails_nothing(signed_in: OpBrowser, wish: str, locales: str) -> None:
    assert told(signed_in, scope="openid email", **{wish: locales})[1] == BY_SCOPE["email"]
    assert signed_in.login_page(prompt="login", **{wish: locales}).status == 200


@pytest.mark.spec("OIDCC-5.3.1")
def test_the_token_may_come_by_get_or_post_in_the_header_or_by_post_in_the_form(op: Op, signed_in: OpBrowser) -> None:
    token = signed_in.redeem(signed_in.renew(scope="openid email").query["code"]).json["access_token"]
    rp = Browser(op.server.application, signed_in.origin)
    bearer = {"Authorization": f"Bearer {token}"}

    answers = [rp.get("/userinfo", bearer), rp.post("/userinfo", "", bearer), rp.post("/userinfo", {"access_token": token})]

    assert [answer.json["email"] for answer in answers] == ["alice@example.com"] * 3
    assert rp.get("/userinfo", access_token=token).status == 401  # an address is logged everywhere (RFC 6750, 2.3)


@pytest.mark.spec("OIDCD-3")
def test_every_claim_told_here_is_in_the_discovery_document(signed_in: OpBrowser) -> None:
    metadata = signed_in.get("/.well-known/openid-configuration").json

    assert set(ALL) | set(OWN) | {"sub", "auth_time", "acr"} <= set(metadata["claims_supported"])
    assert metadata["claims_locales_supported"] == ["fr", "ja-Kana-JP"]
    assert metadata["claims_parameter_supported"] is True


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": "true"},
        {"phone_number_verified": 1},
        {"updated_at": "2020-01-01"},
        {"updated_at": True},
        {"address": "1 High Street"},
        {"address": {"country": 44}},
        {"birthdate": 1852},
        {"name": ""},
        {"sub": "alice"},
        {"sid": "x"},
        {"sub#de": "alice"},
        {"name#": "Alice"},
        {"name#d e": "Alice"},
        {"name#de#fr": "Alice"},
        {"name#de": ""},
        {"email_verified#de": True},
        {"updated_at#de": 1},
        {"address#de": "1 High Street"},
    ],
    ids=str,
)
def test_a_claim_of_the_wrong_kind_stops_the_start(claims: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(claims))):
        make_settings(users=[{"username": "alice", "password": "wonderland", "claims": claims}])
