"""Whatever a client asks for in `claims` and `claims_locales`: an answer, and nothing but what was asked for and allowed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oic_session_ext.crypto import jose
from tests.bundled_op import Op, OpBrowser, make_settings
from tests.server.test_standard_claims import ALL, IN_LANGUAGES, OF_THE_TOKEN

NAMES = st.one_of(
    st.sampled_from([*ALL, *IN_LANGUAGES, "sub", "acr", "auth_time", "iss", "given_name#FR", "given_name#", "#", "", "a#b#c"]),
    st.text(st.characters(), max_size=12),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["alice@example.com", ""])
    | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
WISHES = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={"essential": st.booleans(), "value": VALUES, "values": st.lists(VALUES, max_size=3), "x": VALUES}),
)
PARTS = st.dictionaries(NAMES, WISHES, max_size=5)
LOCALES = st.one_of(st.just("fr de ja-Kana-JP"), st.text(st.characters(codec="utf-8"), max_size=20))


@pytest.fixture(scope="module")
def browser(keys_file: str) -> OpBrowser:
    """One in which alice is signed in."""
    users = [{"username": "alice", "password": "wonderland", "claims": ALL | IN_LANGUAGES}]
    browser = Op.build(make_settings(keys_file, users=users)).browser()
    browser.sign_in()
    return browser


@pytest.mark.spec("OIDCC-5.5", "OIDCC-5.5.1", "OIDCC-5.2", "P8")
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(userinfo={"\ud800": None}, id_token={"email#\ud800": None}, locales="fr", client_id="asking")
@example(userinfo={"email": {"value": float("nan")}}, id_token={"email": {"values": [[]]}}, locales="-", client_id="asking")
@example(userinfo={}, id_token={"given_name#FR": None, "given_name": {"value": None}}, locales="fr", client_id="web")
@given(userinfo=PARTS, id_token=PARTS, locales=LOCALES, client_id=st.sampled_from(["web", "asking"]))
def test_what_is_asked_for_is_all_that_is_told(
    browser: OpBrowser, userinfo: dict[str, Any], id_token: dict[str, Any], locales: str, client_id: str
) -> None:
    claims = json.dumps({"userinfo": userinfo, "id_token": id_token})
    answer = browser.follow(browser.authorize(client_id, claims=claims, claims_locales=locales))
    if answer.status == 200 and "password" in answer.form.fields:  # a `sub` that is not hers, or an `acr` that nobody has
        return
    if answer.status == 200:
        assert client_id == "asking"
        answer = browser.submit(answer, "allow")
    if answer.status == 400 or "code" not in answer.query:
        assert answer.status == 400 or answer.error in ("invalid_request", "unmet_authentication_requirements")
        return

    tokens = browser.redeem(answer.query["code"], client_id).json
    info = browser.userinfo(tokens["access_token"])
    assert info.status == 200
    for asked, told in ((userinfo, info.json), (id_token, jose.read_unverified(tokens["id_token"]).claims)):
        names = {name.partition("#")[0] for name in told} - OF_THE_TOKEN - {"at_hash"}
        assert names <= {name.partition("#")[0] for name in asked} & set(ALL)
        for name, wish in asked.items():
            if name in told and name in names and wish and "value" in wish and "values" not in wish:
                assert json.dumps(told[name], sort_keys=True) == json.dumps(wish["value"], sort_keys=True)
