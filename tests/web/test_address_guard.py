from ipaddress import ip_address, ip_network

import pytest

from oic_session_ext.web.address_guard import AddressGuard

REFUSED_HOSTS = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",  # noqa: S104
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.88.99.1", "192.0.2.1", "198.18.0.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "[::1]", "[::]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[ff0e::1]", "[100::1]",
    "[2001:db8::1]", "[3fff::1]", "[4000::1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[2002:7f00:1::1]", "[2002:a00:1::]", "[2001:0:7f00:1::]",
    "localhost", "LOCALHOST", "localhost.", "rp.localhost", "localhost.localdomain", "ip6-localhost",
]  # fmt: skip
ODD_HOSTS = [
    "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0", "127.0.0.1.1", "1.2.3.04", "8.8.8.0x8", "256.1.1.1",
    "%31%32%37.0.0.1", "127%2e0.0.1", "①②⑦.0.0.1", "127。0。0。1", "l\u00f6calhost", "loc\u00adalhost", "a..b", "-", "exa mple.org", "[::1",
    "[]", "", "[127.0.0.1]", "[2606:4700::1111%25eth0]", "[v1.x]", "user@rp.example.org", "rp.example.org:x", "rp.example.org\\@127.0.0.1",
]  # fmt: skip
PUBLIC_HOSTS = [
    "rp.example.org", "rp.example.org.", "rp.example.org:8443", "my_rp.example.org", "xn--rp-via.example.org", "8.8.8.8",
    "1.1.1.1:8443", "[2606:4700::1111]", "[2a00:1450::1]:443", "[::ffff:8.8.8.8]", "[64:ff9b::808:808]",
    "notlocalhost", "localhost.example.org", "127.0.0.1.example.org",
]  # fmt: skip


@pytest.mark.spec("SEC-08")
@pytest.mark.parametrize("host", REFUSED_HOSTS)
def test_a_uri_that_leads_to_an_address_of_no_public_network_is_refused(host: str) -> None:
    assert AddressGuard().refuses_uri(f"https://{host}/logout?x=1")


@pytest.mark.spec("SEC-08")
@pytest.mark.parametrize("host", ODD_HOSTS)
def test_a_uri_whose_host_resolvers_may_read_differently_is_refused_even_where_everything_is_allowed(host: str) -> None:
    assert AddressGuard([ip_network("0.0.0.0/0"), ip_network("::/0")]).refuses_uri(f"https://{host}/logout")


@pytest.mark.parametrize("host", PUBLIC_HOSTS)
def test_a_uri_of_the_public_internet_may_be_registered(host: str) -> None:
    assert AddressGuard().refuses_uri(f"https://{host}/logout?x=1") is None


@pytest.mark.parametrize(
    "uri", ["ftp://rp.example.org/", "file:///etc/passwd", "gopher://rp.example.org", "rp.example.org", "https:///x", "//x"]
)
def test_a_uri_that_is_not_http_is_refused(uri: str) -> None:
    assert AddressGuard().refuses_uri(uri)


@pytest.mark.parametrize(
    ("allow", "host"),
    [
        ("127.0.0.0/8", "127.0.0.1:9000"),
        ("127.0.0.0/8", "localhost:9000"),
        ("::1/128", "localhost:9000"),
        ("127.0.0.0/8", "[::ffff:127.0.0.1]"),
        ("10.1.0.0/16", "10.1.2.3"),
        ("10.1.0.0/16", "[64:ff9b::10.1.2.3]"),
        ("::1/128", "[::1]"),
        ("fd00::/8", "[fd12::1]"),
    ],
)
def test_what_a_deployer_allows_may_be_registered(allow: str, host: str) -> None:
    assert AddressGuard([ip_network(allow)]).refuses_uri(f"http://{host}/logout") is None


@pytest.mark.parametrize(
    ("allow", "host"), [("10.1.0.0/16", "10.2.0.1"), ("10.0.0.0/8", "127.0.0.1"), ("10.0.0.0/8", "localhost"), ("::/0", "127.0.0.1")]
)
def test_what_is_allowed_opens_nothing_else(allow: str, host: str) -> None:
    assert AddressGuard([ip_network(allow)]).refuses_uri(f"http://{host}/logout")


@pytest.mark.spec("SEC-08")
def test_the_address_connected_to_is_judged_as_the_one_in_a_uri() -> None:
    guard = AddressGuard([ip_network("10.1.0.0/16")])

    refused = ["10.2.0.1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a01:1::1"]
    allowed = ["10.1.0.1", "::ffff:10.1.0.1", "9.9.9.9", "2606:4700::1111"]

    assert [address for address in refused + allowed if guard.refuses_address(ip_address(address))] == refused
