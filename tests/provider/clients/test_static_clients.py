"""A deployer's own clients, a plain dict in pyoidc's shape: a bad one is an error at the start (REG-13)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from oic_session_ext.errors import ConfigError
from oic_session_ext.settings import DeliverySettings
from tests.provider.conftest import MakeOp, make_clients


@pytest.mark.spec("REG-13")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("frontchannel_logout_uri", "https://other.example.com/fc", id="REG-01 another host"),
        pytest.param("frontchannel_logout_uri", "https://basic.example.com:8443/fc", id="REG-01 another port"),
        pytest.param("frontchannel_logout_uri", "https://basic.example.com/fc#x", id="REG-02 fragment"),
        pytest.param("frontchannel_logout_uri", "https://basic.example.com/fc?sid=1", id="FC-07 sid in the query"),
        pytest.param("backchannel_logout_uri", "/bc", id="REG-02 relative"),
        pytest.param("backchannel_logout_uri", "javascript:x", id="a script"),
        pytest.param("backchannel_logout_uri", "https://127.0.0.1/bc", id="SEC-08 loopback"),
        pytest.param("backchannel_logout_uri", 5, id="a number"),
        pytest.param("backchannel_logout_session_required", "true", id="text for a boolean"),
        pytest.param("backchannel_logout_token_typ", 0, id="a number for a boolean"),
        pytest.param("post_logout_redirect_uris", ["javascript:x"], id="REG-07 javascript"),
        pytest.param("post_logout_redirect_uris", ["https://basic.example.com/#x"], id="REG-07 fragment"),
        pytest.param("post_logout_redirect_uris", ["com.example.app:/bye"], id="REG-05 not native"),
    ],
)
def test_a_client_that_breaks_a_rule_about_logout_stops_the_start(make_op: MakeOp, name: str, value: int | list[str] | str) -> None:
    clients = make_clients()
    clients["basic"][name] = value

    with pytest.raises(ConfigError, match=rf"clients\.basic\.{name}"):
        make_op(clients=clients)


@pytest.mark.spec("REG-01", "REG-03", "REG-06", "REG-11")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frontchannel_logout_uri", "https://BASIC.example.com:443/fc?a=1"),
        ("backchannel_logout_uri", "https://elsewhere.example.com/bc?a=1"),
        ("backchannel_logout_session_required", True),
        ("post_logout_redirect_uris", [("https://elsewhere.example.com/bye", None)]),
    ],
)
def test_what_the_specifications_allow_starts(make_op: MakeOp, name: str, value: bool | list[tuple[str, None]] | str) -> None:
    clients = make_clients()
    clients["basic"][name] = value

    assert make_op(clients=clients).provider.session_management.client("basic")[name]


@pytest.mark.spec("SEC-08")
def test_an_address_in_a_network_that_is_allowed_starts(make_op: MakeOp) -> None:
    clients = make_clients()
    clients["basic"]["backchannel_logout_uri"] = "https://10.1.2.3/bc"

    assert make_op(clients=clients, delivery=DeliverySettings(allow_networks=(ip_network("10.1.0.0/16"),)))


@pytest.mark.spec("FC-18")
def test_a_page_that_browsers_will_block_is_warned_of(make_op: MakeOp, caplog: pytest.LogCaptureFixture) -> None:
    clients = make_clients()
    clients["basic"]["redirect_uris"].append(("http://basic.example.com/cb", None))
    clients["basic"]["frontchannel_logout_uri"] = "http://basic.example.com/fc"

    make_op(clients=clients)

    assert "browsers block" in caplog.text
