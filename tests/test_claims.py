"""Claims by scope, by name, by value and in languages: what is told, and what the user is asked about first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oic_session_ext.claims import (
    RequestedClaims,
    claims_of_scopes,
    consent_for_claims,
    matches_request,
    requested_claims,
    requested_locales,
)

OF_SCOPE = {"openid": ["sub"], "profile": ["name", "nickname"], "email": ["email"]}
NAMES = {"name": "Alice", "name#de-CH": "Alize", "name#fr": "Alix", "name#ja-Kana-JP": "アリス", "email": "a@example.com"}


def told(*wishes: str, locales: str = "", **valued: dict[str, Any]) -> dict[str, Any]:
    return RequestedClaims({**dict.fromkeys(wishes), **valued}, tuple(locales.split())).told(NAMES)


@pytest.mark.spec("OIDCC-5.4")
def test_a_scope_wishes_for_its_claims_and_an_unknown_one_for_nothing() -> None:
    assert claims_of_scopes(["openid", "profile", "what"], OF_SCOPE) == {"sub": None, "name": None, "nickname": None}


@pytest.mark.spec("OIDCC-5.5.1")
@pytest.mark.parametrize(
    ("value", "wish", "fits"),
    [
        ("a", None, True),
        ("a", {}, True),
        ("a", {"essential": True}, True),
        ("a", {"value": "a"}, True),
        ("a", {"value": "b"}, False),
        ("a", {"value": "a", "essential": True}, True),
        ("a", {"value": "b", "essential": True}, False),
        ("a", {"values": ["b", "a"]}, True),
        ("a", {"values": ["b"]}, False),
        ("a", {"values": []}, False),
        ("a", {"value": "b", "values": ["a"]}, True),
        (True, {"value": True}, True),
        (True, {"value": 1}, False),
        (1, {"values": [True, "1"]}, False),
        (False, {"value": None}, False),
        ({"country": "GB", "locality": "Oxford"}, {"value": {"locality": "Oxford", "country": "GB"}}, True),
        ({"country": "GB"}, {"value": {"country": "FR"}}, False),
    ],
)
def test_a_value_fits_a_wish_only_as_json_has_them(value: Any, wish: dict[str, Any] | None, fits: bool) -> None:
    assert matches_request(value, wish) is fits


@pytest.mark.spec("OIDCC-5.5.1")
def test_what_does_not_fit_or_is_not_there_is_left_out_and_the_rest_is_told() -> None:
    assert told("phone_number", email={"value": "b@example.com", "essential": True}, name={"value": "Alice"}) == {"name": "Alice"}


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_claim_without_content_is_not_told(nothing: str | None) -> None:
    assert RequestedClaims({"name": None, "verified": None}).told({"name": nothing, "verified": False}) == {"verified": False}


@pytest.mark.spec("OIDCC-5.2")
@pytest.mark.parametrize(
    ("locales", "expected"),
    [
        ("", {"name": "Alice"}),
        ("fr", {"name": "Alix"}),
        ("FR", {"name": "Alix"}),
        ("fr-CA", {"name": "Alix"}),
        ("de-CH-1996", {"name": "Alize"}),
        ("de", {"name": "Alice"}),
        ("se", {"name": "Alice"}),
        ("se fr-CA", {"name": "Alix", "name#fr": "Alix"}),
        ("ja-Kana-JP fr", {"name": "アリス", "name#ja-Kana-JP": "アリス", "name#fr": "Alix"}),
        ("se no", {"name": "Alice"}),
        ("- -- a-", {"name": "Alice"}),
    ],
)
def test_a_claim_is_told_in_the_languages_asked_for(locales: str, expected: dict[str, str]) -> None:
    assert told("name", locales=locales) == expected


@pytest.mark.spec("OIDCC-5.2")
def test_a_claim_may_be_asked_for_by_name_and_language() -> None:
    assert told("name#fr", "name#JA-kana-jp", "name#se", "email") == {
        "name#fr": "Alix",
        "name#JA-kana-jp": "アリス",
        "email": "a@example.com",
    }
    assert told("name", "name#fr") == {"name": "Alice", "name#fr": "Alix"}


@pytest.mark.spec("SEC-12")
def test_of_many_languages_the_first_ten_count_and_none_that_no_language_is_called() -> None:
    assert requested_locales({"claims_locales": " ".join(f"x{number}" for number in range(20_000))}) == tuple(f"x{n}" for n in range(10))
    assert requested_locales({"claims_locales": f"{'a-' * 30_000}a fr"}) == ("fr",)
    assert requested_locales({}) == ()


@pytest.mark.spec("OIDCC-5.2", "OIDCC-5.5.1")
def test_a_wish_for_a_value_holds_in_every_language() -> None:
    assert told(locales="fr ja-Kana-JP", name={"values": ["Alix"]}) == {"name": "Alix", "name#fr": "Alix"}
    assert told(locales="fr", name={"value": "Alice"}) == {}


@pytest.mark.spec("OIDCC-5.2")
def test_a_language_without_the_plain_claim_is_enough() -> None:
    assert RequestedClaims({"name": None}, ("fr",)).told({"name#fr": "Alix"}) == {"name": "Alix"}
    assert RequestedClaims({"name": None}).told({"name#fr": "Alix"}) == {}


def test_whoever_keeps_the_claims_is_asked_for_each_form_that_may_serve() -> None:
    wish = {"essential": True}

    assert RequestedClaims({"name": wish, "email#fr": None}, ("de-CH", "fr")).names() == {
        "name": wish,
        "email#fr": None,
        "name#de-CH": wish,
        "name#de": wish,
        "name#fr": wish,
    }


def test_the_claims_parameter_is_read_parsed_or_not() -> None:
    claims = {"userinfo": {"name": None}, "id_token": {"auth_time": {"essential": True}}}

    for given in (claims, json.dumps(claims)):
        assert requested_claims({"claims": given}, "userinfo") == {"name": None}
        assert requested_claims({"claims": given}, "id_token") == {"auth_time": {"essential": True}}
    assert requested_claims({}, "userinfo") == requested_claims({"claims": "{}"}, "id_token") == {}


@pytest.mark.spec("OIDCC-3.1.2.4")
def test_what_is_asked_for_by_name_needs_what_its_scope_needs_or_a_word_of_its_own() -> None:
    claims = {"userinfo": {"email": None, "name#de": None, "shoe_size": None, "sub": None}, "id_token": {"auth_time": None, "acr": None}}

    assert consent_for_claims({"claims": json.dumps(claims)}, OF_SCOPE) == {"email", "profile", "claim shoe_size"}
    assert consent_for_claims({}, OF_SCOPE) == frozenset()
