"""`session_state` as the OP computes it; that the browser computes the same is shown in tests/browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.session_management.session_state import compute_session_state, issue_session_state, verify_session_state
from oic_session_ext.web.origin import origin_of

ORIGIN = "https://rp.example.org"
ISSUED = re.compile(r"[0-9a-f]{64}\.[A-Za-z0-9_-]{16,64}")

ORIGINS = [
    ("https://RP.Example.org/cb?x=1", "https://rp.example.org"),
    ("https://rp.example.org:443/cb", "https://rp.example.org"),
    ("http://127.0.0.1:8080/cb", "http://127.0.0.1:8080"),
    ("http://rp.example.org:80/", "http://rp.example.org"),
    ("https://user@rp.example.org/cb", "https://rp.example.org"),
    ("https://[2001:DB8::1]:8443/cb", "https://[2001:db8::1]:8443"),
    ("https://bücher.example/cb", "https://xn--bcher-kva.example"),
    ("com.example.app:/cb", "null"),
    ("HTTPS://rp.example.org", "https://rp.example.org"),
    ("http://rp.example.org:443/", "http://rp.example.org:443"),
    ("https://rp.example.org:/cb", "https://rp.example.org"),
    ("https://rp.example.org:0444?x", "https://rp.example.org:444"),
    ("https://user:pw@evil@rp.example.org#f", "https://rp.example.org"),
    ("https://rp.example.org/@evil.example", "https://rp.example.org"),
    ("https://rp.example.org./", "https://rp.example.org."),
    ("https://my_app.example/", "https://my_app.example"),
    ("https://a--b.example/", "https://a--b.example"),
    ("https://b%C3%BCcher.EXAMPLE/", "https://xn--bcher-kva.example"),
    ("https://XN--bcher-kva.example/", "https://xn--bcher-kva.example"),
    ("https://straße.example/", "https://xn--strae-oqa.example"),
    ("https://BÜCHER。example/", "https://xn--bcher-kva.example"),
    ("https://☕.example/", "https://xn--53h.example"),
    ("https://[0:0:0:0:0:0:0:1]/", "https://[::1]"),
    ("https://[1:0:0:2:0:0:0:3]/", "https://[1:0:0:2::3]"),
    ("https://[::]/", "https://[::]"),
    ("https://[1:0:2:3:4:5:6:7]/", "https://[1:0:2:3:4:5:6:7]"),
    ("https://[::ffff:192.0.2.1]/", "https://[::ffff:c000:201]"),
    ("myapp://callback", "null"),
    ("urn:ietf:wg:oauth:2.0:oob", "null"),
]


@pytest.mark.spec("SM-04")
@pytest.mark.parametrize(
    ("client_id", "origin", "op_browser_state", "expected_hash"),
    [
        pytest.param("s6BhdRkqt3", ORIGIN, "op-ua-state-1", "a562cfcf93173bbdbf6329249c23f1c5544e8e22aa3aa0ed32920956b52ce3a6", id="plain"),
        pytest.param(
            "s6BhdRkqt3",
            "https://rp.example.org:8443",
            "op-ua-state-1",
            "189f2b8deaf003beb4b9704dde22d780100bf175487629cdc7cdd0381eb736cb",
            id="port",
        ),
        pytest.param(
            "client with space", ORIGIN, "op-ua-state-1", "a5abd305edd970a4e0c8f24d209933e6fd9645cab0435f271b31b121bf3385c4", id="space"
        ),
        pytest.param("s6BhdRkqt3", ORIGIN, "op-ua-state-2", "cecd4be4d806cfd43cd6de717290b5fba40cf7d2e2c00dc8573f724d5a760c92", id="state"),
    ],
)
def test_the_published_vectors_come_out(client_id: str, origin: str, op_browser_state: str, expected_hash: str) -> None:
    assert compute_session_state(client_id, origin, op_browser_state, "salt-0001") == f"{expected_hash}.salt-0001"


@pytest.mark.spec("SM-03", "SM-05")
def test_an_issued_value_keeps_the_grammar() -> None:
    assert ISSUED.fullmatch(issue_session_state("client with space", "https://rp.example.org/cb", "state"))


@pytest.mark.spec("SM-07", "SM-08")
def test_every_issued_value_is_new_and_all_stay_good() -> None:
    values = {issue_session_state("rp", f"{ORIGIN}/cb", "state") for _ in range(5)}

    assert len(values) == 5
    assert all(verify_session_state(value, "rp", ORIGIN, "state") for value in values)


@pytest.mark.spec("SM-10")
def test_two_clients_with_one_salt_get_different_hashes() -> None:
    one, other = (compute_session_state(client_id, ORIGIN, "state", "salt") for client_id in ("rp-a", "rp-b"))

    assert one != other


@pytest.mark.spec("SM-06")
def test_a_value_is_issued_for_the_origin_of_the_redirect_uri() -> None:
    value = issue_session_state("rp", "https://RP.Example.org:443/cb?x=1", "state")

    assert verify_session_state(value, "rp", ORIGIN, "state")


@pytest.mark.spec("SM-05")
@pytest.mark.parametrize("salt", ["s", "salt-0001", "~!$&'()*+,;=:@/?", "x" * 500])
def test_a_verifier_accepts_any_salt_without_space_or_dot(salt: str) -> None:
    assert verify_session_state(compute_session_state("rp", ORIGIN, "state", salt), "rp", ORIGIN, "state")


@pytest.mark.spec("SM-21")
@pytest.mark.parametrize(
    ("client_id", "origin", "op_browser_state"),
    [
        pytest.param("other", ORIGIN, "state", id="another client"),
        pytest.param("rp", "https://evil.example", "state", id="another origin"),
        pytest.param("rp", "http://rp.example.org", "state", id="another scheme"),
        pytest.param("rp", ORIGIN, "state2", id="another state"),
        pytest.param("rp\ud800", ORIGIN, "state", id="half-decoded client"),
    ],
)
def test_a_value_made_from_something_else_is_refused(client_id: str, origin: str, op_browser_state: str) -> None:
    value = compute_session_state("rp", ORIGIN, "state", "salt")

    assert not verify_session_state(value, client_id, origin, op_browser_state)


@pytest.mark.spec("SM-22", "SM-29")
@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda value: value.partition(".")[0], id="no dot"),
        pytest.param(lambda value: value.partition(".")[0] + ".", id="no salt"),
        pytest.param(lambda value: value + ".x", id="two dots"),
        pytest.param(lambda value: value + " x", id="space in the salt"),
        pytest.param(lambda value: value + "\n", id="line end"),
        pytest.param(lambda value: value.upper(), id="upper case"),
        pytest.param(lambda value: value[1:], id="short hash"),
        pytest.param(lambda value: " " + value, id="space before"),
        pytest.param(lambda value: value + "é", id="not ASCII"),
    ],
)
def test_a_malformed_value_is_refused(mangle: Callable[[str], str]) -> None:
    value = compute_session_state("rp", ORIGIN, "state", "salt")

    assert not verify_session_state(mangle(value), "rp", ORIGIN, "state")


@given(st.text(), st.text())
def test_verifying_never_raises(value: str, client_id: str) -> None:
    assert verify_session_state(value, client_id, ORIGIN, "state") is False


@pytest.mark.spec("SM-06", "PY-03")
@pytest.mark.parametrize(("uri", "origin"), ORIGINS)
def test_an_origin_is_written_as_browsers_write_it(uri: str, origin: str) -> None:
    assert origin_of(uri) == origin


@pytest.mark.spec("SM-06")
@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("", id="empty"),
        pytest.param("/cb", id="relative"),
        pytest.param("//rp.example.org/cb", id="no scheme"),
        pytest.param("https:rp.example.org", id="no slashes"),
        pytest.param("https:/rp.example.org", id="one slash"),
        pytest.param("https:///rp.example.org", id="three slashes"),
        pytest.param("https://", id="no host"),
        pytest.param("https://user@/cb", id="userinfo alone"),
        pytest.param("https://:443/", id="port alone"),
        pytest.param("https://../", id="dots alone"),
        pytest.param("https://rp.example.org\\@evil.example/", id="backslash"),
        pytest.param("https://rp example.org/", id="space"),
        pytest.param(" https://rp.example.org/", id="space before"),
        pytest.param("https://rp.example.org/\n", id="line end"),
        pytest.param("ht\ttps://rp.example.org/", id="tab in the scheme"),
        pytest.param("app:/\r\n", id="line end in a custom scheme"),
        pytest.param("https://rp.example.org:65536/", id="port too high"),
        pytest.param("https://rp.example.org:80a/", id="port no number"),
        pytest.param("https://rp.example.org:٤٤٣/", id="port in other digits"),
        pytest.param("https://rp.example.org:-1/", id="port negative"),
        pytest.param("https://rp%2Fevil.example/", id="slash in the host"),
        pytest.param("https://rp%00.example/", id="NUL in the host"),
        pytest.param("https://rp%zz.example/", id="bad percent"),
        pytest.param("https://%ff.example/", id="host no UTF-8"),
        pytest.param("https://rp<.example/", id="angle bracket in the host"),
        pytest.param("https://*.example/", id="star in the host"),
        pytest.param("https://rp,evil.example/", id="comma in the host"),
        pytest.param("https://rp℀.example/", id="letter that maps to a slash"),
        pytest.param("https://\u00ad/", id="host of nothing"),
        pytest.param("https://\ud800.example/", id="half-decoded host"),
        pytest.param("https://" + "a" * 300 + "/", id="host too long"),
        pytest.param("https://127.1/", id="short IPv4"),
        pytest.param("https://0x7f.0.0.1/", id="hex IPv4"),
        pytest.param("https://0127.0.0.1/", id="octal IPv4"),
        pytest.param("https://256.0.0.1/", id="IPv4 too high"),
        pytest.param("https://rp.1/", id="name that ends in a number"),
        pytest.param("https://127.0.0.1./", id="IPv4 with a dot"),
        pytest.param("https://[::1/", id="open bracket"),
        pytest.param("https://[fe80::1%25eth0]/", id="IPv6 zone"),
        pytest.param("https://[1::2::3]/", id="bad IPv6"),
        pytest.param("https://[::1]evil/", id="after the bracket"),
    ],
)
def test_a_uri_that_can_be_read_in_two_ways_has_no_origin(uri: str) -> None:
    with pytest.raises(ValueError, match="URI"):
        origin_of(uri)


@pytest.mark.spec("SM-06")
def test_no_value_is_issued_for_a_redirect_uri_without_an_origin() -> None:
    with pytest.raises(ValueError, match="URI"):
        issue_session_state("rp", "https://", "state")


@given(st.text(max_size=60))
def test_an_origin_is_either_plain_ascii_or_refused(rest: str) -> None:
    try:
        origin = origin_of(f"https://{rest}")
    except ValueError:
        return

    assert re.fullmatch(r"https://[!-~]+", origin)
