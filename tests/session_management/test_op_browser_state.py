"""`op_browser_state` and the two cookies."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.errors import ConfigError
from oic_session_ext.session_management.browser_cookies import CookiePolicy, SetCookie, read_cookies
from oic_session_ext.session_management.op_browser_state import may_write_browser_state, unauthenticated_op_browser_state
from oic_session_ext.sessions.op_session import new_op_browser_state
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.memory.engine import MemoryStore

SETTINGS = SessionManagementSettings()
HTTPS = CookiePolicy("https://op.example.org/tenant", SETTINGS)
LOOPBACK = CookiePolicy("http://localhost:8080", SETTINGS)
BASE64URL_256_BITS = re.compile(r"[A-Za-z0-9_-]{43}")


def attributes(set_cookie: str) -> set[str]:
    return set(set_cookie.split("; ")[1:])


@pytest.mark.spec("SM-12", "SEC-10")
def test_a_new_state_is_256_random_bits() -> None:
    one, other = new_op_browser_state(), new_op_browser_state()

    assert BASE64URL_256_BITS.fullmatch(one)
    assert one != other


@pytest.mark.spec("SM-18")
def test_the_state_of_nobody_is_the_same_on_every_server_of_a_store() -> None:
    store = MemoryStore()

    one, other = (unauthenticated_op_browser_state(SETTINGS, store) for _ in range(2))

    assert BASE64URL_256_BITS.fullmatch(one)
    assert one == other


@pytest.mark.spec("SM-18")
def test_the_state_of_nobody_is_anothers_in_another_store() -> None:
    assert unauthenticated_op_browser_state(SETTINGS, MemoryStore()) != unauthenticated_op_browser_state(SETTINGS, MemoryStore())


@pytest.mark.spec("SM-18")
def test_of_two_servers_that_make_the_state_of_nobody_at_once_both_have_the_firsts(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    first = unauthenticated_op_browser_state(SETTINGS, store)
    answers, fact = iter([None]), store.fact
    monkeypatch.setattr(store, "fact", lambda name: next(answers, fact(name)))

    assert unauthenticated_op_browser_state(SETTINGS, store) == first


@pytest.mark.spec("SM-18")
def test_a_configured_key_takes_the_place_of_the_store_and_is_not_shown() -> None:
    settings = SessionManagementSettings(unauthenticated_key="the-same-on-all-servers")

    one, other = (unauthenticated_op_browser_state(settings, MemoryStore()) for _ in range(2))

    assert one == other
    assert BASE64URL_256_BITS.fullmatch(one)
    assert "the-same-on-all-servers" not in one


@pytest.mark.spec("SM-16")
def test_on_https_the_session_cookie_reaches_the_op_from_an_iframe_and_no_script() -> None:
    cookie = HTTPS.session_cookie("secret")

    assert cookie.startswith("__Host-op_session=secret; ")
    assert attributes(cookie) == {"Path=/", "HttpOnly", "Secure", "SameSite=None"}


@pytest.mark.spec("SM-11", "SM-16")
def test_on_https_the_state_cookie_is_readable_by_the_iframe() -> None:
    cookie = HTTPS.browser_state_cookie("state")

    assert cookie.startswith("__Host-op_browser_state=state; ")
    assert attributes(cookie) == {"Path=/", "Secure", "SameSite=None"}


@pytest.mark.spec("SM-16")
@pytest.mark.parametrize("issuer", ["http://localhost:8080", "http://127.0.0.1", "http://127.1.2.3/op", "http://[::1]:8080"])
def test_on_loopback_the_cookies_are_plain_and_lax(issuer: str) -> None:
    policy = CookiePolicy(issuer, SETTINGS)

    assert policy.session_cookie("secret") == "op_session=secret; Path=/; HttpOnly; SameSite=Lax"
    assert policy.browser_state_cookie("state") == "op_browser_state=state; Path=/; SameSite=Lax"


@pytest.mark.spec("SM-16")
@pytest.mark.parametrize(
    "issuer",
    [
        "http://op.example.org",
        "http://localhost.example.org",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://",
        "https://",
        "ftp://localhost",
        "localhost:8080",
        "https://[::1",
        "",
    ],
)
def test_http_elsewhere_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigError, match=r"^issuer:"):
        CookiePolicy(issuer, SETTINGS)


def test_two_cookies_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="must differ"):
        CookiePolicy("https://op.example.org", SessionManagementSettings(session_cookie="same", browser_state_cookie="same"))


@pytest.mark.parametrize("policy", [HTTPS, LOOPBACK], ids=["https", "loopback"])
def test_the_expired_session_cookie_names_the_one_that_was_set(policy: CookiePolicy) -> None:
    expired = policy.expire_session_cookie()

    assert expired.startswith(f"{policy.session_cookie_name}=; ")
    assert attributes(expired) == attributes(policy.session_cookie("x")) | {"Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"}


@pytest.mark.parametrize("value", ["", "a b", "a;b", "a\r\nSet-Cookie: x=y", "a,b", '"a"', "é", "a" * 257])
def test_a_value_that_could_end_the_cookie_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="cookie value"):
        HTTPS.session_cookie(value)
    with pytest.raises(ValueError, match="cookie value"):
        HTTPS.browser_state_cookie(value)


@pytest.mark.parametrize("name", ["", "a=b", "a;b", "a b", "a\n"])
def test_a_name_that_could_end_the_cookie_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cookie name"):
        SetCookie(name, "value", http_only=True, secure=True, same_site="None")


@pytest.mark.parametrize("policy", [HTTPS, LOOPBACK], ids=["https", "loopback"])
def test_what_was_set_is_read_back(policy: CookiePolicy) -> None:
    sent = "; ".join(["other=1", *(cookie.split(";")[0] for cookie in (policy.session_cookie("s-1"), policy.browser_state_cookie("b_2")))])

    assert policy.session_secret(sent) == "s-1"
    assert policy.browser_state(sent) == "b_2"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="empty header"),
        pytest.param("op_session=secret", id="without the prefix"),
        pytest.param("__Host-op_session=", id="empty value"),
        pytest.param("__Host-op_session=a b", id="foreign characters"),
        pytest.param("__Host-op_session=" + "a" * 257, id="too long"),
        pytest.param("__host-op_session=secret", id="other case"),
        pytest.param("__Host-op_session=one; __Host-op_session=two", id="twice"),
    ],
)
def test_a_cookie_that_cannot_be_ours_is_not_read(header: str | None) -> None:
    assert HTTPS.session_secret(header) is None


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2;;  ;c", {"a": "1", "b": "2"}),
        ("a=b=c; =x; d=", {"a": "b=c", "d": ""}),
        ('a="1"', {"a": '"1"'}),
        ("a=1; b=2; a=1", {"b": "2"}),
        ("$Version=1; a=1", {"$Version": "1", "a": "1"}),
        ("a=" + "x" * 70_000, {}),
        (None, {}),
    ],
)
def test_cookies_are_read_by_name(header: str | None, cookies: dict[str, str]) -> None:
    assert read_cookies(header) == cookies


@given(st.text())
def test_reading_cookies_never_raises(header: str) -> None:
    assert all(name for name in read_cookies(header))


@pytest.mark.spec("SM-13", "SM-30")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no fetch metadata"),
        pytest.param({"Cookie": "a=b"}, id="other headers alone"),
        pytest.param({"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}, id="redirect by an RP"),
        pytest.param({"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}, id="typed address"),
        pytest.param({"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-site"}, id="iframe of the same site"),
        pytest.param({"Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}, id="own script"),
        pytest.param(
            {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Storage-Access": "active"}, id="iframe with access"
        ),
        pytest.param({"sec-fetch-dest": "document", "sec-fetch-site": "cross-site"}, id="names in lower case"),
    ],
)
def test_the_state_is_written_where_the_real_cookies_are(headers: dict[str, str]) -> None:
    assert may_write_browser_state(headers, carried_valid_session=False)


@pytest.mark.spec("SM-13", "SM-30")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}, id="iframe"),
        pytest.param({"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Storage-Access": "none"}, id="no access"),
        pytest.param({"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Storage-Access": "inactive"}, id="inactive"),
        pytest.param({"Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"}, id="image"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="no destination"),
        pytest.param({"Sec-Fetch-Mode": "navigate"}, id="mode alone"),
    ],
)
def test_the_state_is_not_written_into_another_sites_partition(headers: dict[str, str]) -> None:
    assert not may_write_browser_state(headers, carried_valid_session=False)


@pytest.mark.spec("SM-13")
def test_a_live_session_that_came_along_shows_the_real_cookies() -> None:
    headers = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}

    assert may_write_browser_state(headers, carried_valid_session=True)
