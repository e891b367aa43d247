"""`session_state`, its salts and the origins in it, against whatever comes."""

from __future__ import annotations

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.clients.uris import UriRules
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.session_management.sealed_salt import SealedSalts
from oic_session_ext.session_management.session_state import compute_session_state, issue_session_state, salt_of, verify_session_state
from oic_session_ext.web.origin import origin_of

from .whatever import ANY_TEXT, budget, spoilt

pytestmark = pytest.mark.fuzz

ORIGIN, STATE = "https://rp.example.org", "op-browser-state"
GOOD = issue_session_state("web", f"{ORIGIN}/cb", STATE, "salt")
HANDLES = SealedSalts(SecretRing([b"s" * 32]))
SEALED = HANDLES.seal("x" * 32, "web", ORIGIN)
URIS = (
    "https://rp.example.org/cb",
    "http://user@rp.example.org:8080/cb?x=1",
    "HTTPS://b\u00fccher.example:443",
    "https://[2001:db8::1]:8443/",
    "http://127.0.0.1:80/cb",
    "com.example.app:/cb",
)


@pytest.mark.spec("SM-05")
@budget(65)
@given(value=st.one_of(spoilt(GOOD), ANY_TEXT), client_id=st.one_of(st.just("web"), ANY_TEXT), state=st.one_of(st.just(STATE), ANY_TEXT))
def test_a_value_is_good_when_it_is_what_we_would_compute(value: str, client_id: str, state: str) -> None:
    is_good = verify_session_state(value, client_id, ORIGIN, state)

    salt = salt_of(value)
    assert not is_good or (salt is not None and value == compute_session_state(client_id, ORIGIN, state, salt))


@budget(30)
@given(
    client_id=st.text(),
    state=st.text(),
    salt=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1),
)
def test_what_was_issued_is_good(client_id: str, state: str, salt: str) -> None:
    issued = issue_session_state(client_id, f"{ORIGIN}/cb", state, salt)

    assert salt_of(issued) == salt
    assert verify_session_state(issued, client_id, ORIGIN, state)


@budget(65)
@given(
    salt=st.one_of(spoilt(SEALED), ANY_TEXT),
    client_id=st.sampled_from(["web", "spa"]),
    origin=st.sampled_from([ORIGIN, "https://x.example"]),
)
def test_a_salt_opens_to_what_was_sealed_for_this_client_and_page_or_to_nothing(salt: str, client_id: str, origin: str) -> None:
    found = HANDLES.open(salt, client_id, origin)

    assert found is None or (found, client_id, origin) == ("x" * 32, "web", ORIGIN)


@pytest.mark.spec("SM-06")
@budget(130)
@given(uri=st.one_of(spoilt(*URIS), ANY_TEXT))
def test_an_origin_is_the_one_that_browsers_see(uri: str) -> None:
    try:
        origin = origin_of(uri)
    except ValueError:
        return

    # a private scheme has none; that a blob: has that of what is inside it does not matter, no client may register one
    assert origin == "null" or origin == ada_url.URL(uri).origin


@pytest.mark.spec("SEC-03")
@budget(130)
@given(uri=st.one_of(spoilt(*URIS), ANY_TEXT), is_native=st.booleans())
def test_a_redirect_uri_that_may_be_registered_leads_a_browser_to_the_host_that_we_read(uri: str, is_native: bool) -> None:
    if UriRules(is_public=False, is_native=is_native, permits_http=True).redirect_problem(uri):
        return

    seen = ada_url.URL(uri)
    assert seen.origin == origin_of(uri)
    assert (seen.username, seen.password, seen.hash) == ("", "", "")
    assert seen.protocol not in ("javascript:", "data:", "vbscript:", "blob:", "file:", "about:")
