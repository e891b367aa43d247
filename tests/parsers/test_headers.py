"""The headers that a peer writes, cookies first, against whatever comes."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NoReturn
from urllib.parse import quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.crypto.jose import Key
from oic_session_ext.errors import InvalidClient, InvalidRequest
from oic_session_ext.logout.backchannel.attempt_result import result_of_response
from oic_session_ext.provider.clients.authentication import JWT_BEARER, ClientAuthentication
from oic_session_ext.server.config.listen import ProxySettings
from oic_session_ext.server.http.client_address import client_address
from oic_session_ext.session_management.browser_cookies import CookiePolicy, SetCookie, read_cookies
from oic_session_ext.settings import SessionManagementSettings

from .whatever import ANY_TEXT, budget, jwt_of_nobody, spoilt

pytestmark = pytest.mark.fuzz

POLICY = CookiePolicy("https://op.example.org", SessionManagementSettings())
SECRET = "a client secret of more than 32 characters"
PROXIES = ProxySettings.model_validate({"trusted": ["10.0.0.0/8", "::1"]})
NOW = 1_800_000_000


def never(client_id: str, expires: int) -> NoReturn:
    raise AssertionError("an assertion that nobody signed was claimed")


def no_keys(client_id: str, client: Mapping[str, Any], kid: str | None) -> list[Key]:
    return []


CLIENTS = ClientAuthentication(
    find={
        "web": {"client_secret": SECRET},
        "keyed": {"token_endpoint_auth_method": "private_key_jwt"},
        "mac": {"token_endpoint_auth_method": "client_secret_jwt", "client_secret": SECRET},
    }.get,
    keys_of=no_keys,
    audiences=("https://op.example.org/token",),
    claim_once=never,
)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{quote_plus(user)}:{quote_plus(password)}".encode()).decode()


# -- cookies ----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([POLICY.session_cookie_name, POLICY.browser_state_cookie_name, "a", "", "__Host-op_login"])


@budget(65)
@given(header=st.one_of(st.lists(st.tuples(NAMES, ANY_TEXT)).map(lambda pairs: "; ".join("=".join(pair) for pair in pairs)), ANY_TEXT))
def test_a_cookie_that_is_read_stood_in_the_header_once_and_could_be_ours(header: str) -> None:
    for name, found in (
        (POLICY.session_cookie_name, POLICY.session_secret(header)),
        (POLICY.browser_state_cookie_name, POLICY.browser_state(header)),
    ):
        given_values = [part.strip(" \t").partition("=")[2] for part in header.split(";") if part.strip(" \t").partition("=")[0] == name]
        assert found is None or ([found] == given_values and found.replace("-", "a").replace("_", "a").isalnum() and found.isascii())


@budget(30)
@given(
    cookies=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), st.from_regex(r"[A-Za-z0-9_=-]{0,50}", fullmatch=True), max_size=8
    )
)
def test_cookies_are_read_as_they_were_sent(cookies: dict[str, str]) -> None:
    assert read_cookies("; ".join(f"{name}={value}" for name, value in cookies.items())) == cookies


@budget(50)
@given(name=st.one_of(st.just("op_session"), spoilt("op_session")), value=st.one_of(ANY_TEXT, spoilt("x" * 43)), expire=st.booleans())
def test_no_cookie_is_set_that_a_value_could_have_ended(name: str, value: str, expire: bool) -> None:
    try:
        header = SetCookie(name, value, http_only=True, secure=True, same_site="None", expire=expire).header_value()
    except ValueError:
        return

    assert header.isascii()
    assert header.isprintable()
    assert header.split("; ")[0] == f"{name}={'' if expire else value}"
    assert header.split("; ")[1:] == [
        "Path=/",
        *(["Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"] if expire else []),
        "HttpOnly",
        "Secure",
        "SameSite=None",
    ]


# -- Authorization ----------------------------------------------------------------------------------------------------


@budget(65)
@given(header=st.one_of(spoilt(basic("web", SECRET), basic("keyed", "")), ANY_TEXT, ANY_TEXT.map(lambda text: f"Basic {text}")))
def test_a_header_lets_a_client_in_only_with_its_secret(header: str) -> None:
    try:
        client_id = CLIENTS.authenticate({}, header, NOW)
    except (InvalidClient, InvalidRequest):
        return

    decoded = base64.b64decode(header.partition(" ")[2].strip()).decode()
    assert [unquote_plus(part) for part in decoded.partition(":")] == [client_id, ":", SECRET]


@budget(30)
@given(
    client_id=st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=30),
    secret=st.text(min_size=1, max_size=50),
)
def test_whatever_a_client_and_its_secret_are_they_let_it_in(client_id: str, secret: str) -> None:
    clients = ClientAuthentication(find={client_id: {"client_secret": secret}}.get, keys_of=no_keys, audiences=(), claim_once=never)

    assert clients.authenticate({}, basic(client_id, secret), NOW) == client_id


CLAIMS = {"iss": "mac", "sub": "mac", "aud": "https://op.example.org/token", "exp": NOW + 60, "jti": "one"}


@budget(50)
@given(
    assertion=st.one_of(
        ANY_TEXT, jwt_of_nobody({"alg": "HS256"}, CLAIMS), jwt_of_nobody({"alg": "RS256"}, CLAIMS | {"iss": "keyed", "sub": "keyed"})
    )
)
def test_no_assertion_is_believed_that_the_client_has_not_signed(assertion: str) -> None:
    with pytest.raises((InvalidClient, InvalidRequest)):
        CLIENTS.authenticate({"client_assertion_type": JWT_BEARER, "client_assertion": assertion}, None, NOW)


# -- from RPs and proxies ---------------------------------------------------------------------------------------------


@budget(65)
@given(
    status=st.integers(100, 599),
    header=st.one_of(spoilt("120", "Fri, 31 Dec 1999 23:59:59 GMT", "Sun, 06 Nov 2099 08:49:37 +2400"), ANY_TEXT),
    now=st.integers(0, 2**33),
)
def test_an_answer_asks_for_a_pause_of_seconds_or_for_none(status: int, header: str, now: int) -> None:
    attempt_result = result_of_response(status, header, now)

    assert 0 <= attempt_result.retry_after_s < 10**12
    assert attempt_result.retry_after_s == 0 or status in (429, 503)


@budget(15)
@given(seconds=st.integers(0, 10**8))
def test_a_pause_is_read_in_seconds_and_as_a_date(seconds: int) -> None:
    at = format_datetime(datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds), usegmt=True)

    assert [result_of_response(503, text, NOW).retry_after_s for text in (str(seconds), at)] == [seconds, seconds]


@budget(50)
@given(peer=st.sampled_from(["10.0.0.1", "192.0.2.1", "::1", "", "unix:"]), header=st.one_of(spoilt("192.0.2.7, 10.1.1.1"), ANY_TEXT))
def test_the_clients_address_is_an_address_or_the_peer_itself(peer: str, header: str) -> None:
    name = "HTTP_" + PROXIES.client_address_header.upper().replace("-", "_")

    found = client_address({"REMOTE_ADDR": peer, name: header}, PROXIES)

    assert found == peer or (peer in ("10.0.0.1", "::1") and ipaddress.ip_address(found))
