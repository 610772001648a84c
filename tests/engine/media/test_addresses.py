import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import MediaRefused
from sluice.media.addresses import check_url, is_public, parse_url

# fmt: off
INSIDE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.88.99.1",
    "192.0.0.192", "168.63.129.16", "::ffff:168.63.129.16",
    "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "161.26.0.1", "161.26.255.254", "166.8.0.1", "166.11.255.254", "::ffff:161.26.0.1", "64:ff9b::a608:1",
    "3fff::1", "3fff:fff:ffff::1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "fe80::5efe:808:808",
    "2606:4700::5efe:a9fe:a9fe", "2606:4700::200:5efe:a11a:1",
    "2002:808:808::5efe:7f00:1", "2002:808:808::5efe:a9fe:a9fe", "3fff::5efe:808:808",
]
ODD = [
    "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0", "134744072", "0x08080808",
    "127.0.0.1.", "8.8.2056",
]
NO_URLS = [
    "http://", "http:///path", "http:/x", "http:x", "http://[::1", "http://a:99999/", "http://a:b/",
    "http://" + "a" * 9_000,
]
# fmt: on


def check(url: str, allow_private: bool = False) -> str | None:
    """Why a URL is refused."""
    try:
        check_url(parse_url(url), allow_private)
    except MediaRefused as refused:
        assert "secret" not in refused.detail
        return refused.reason
    return None


@pytest.mark.parametrize("text", INSIDE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_inside_our_network_are_refused(scheme: str, text: str) -> None:
    host = f"[{text}]" if ":" in text else text
    assert not is_public(ipaddress.ip_address(text))
    assert check(f"{scheme}://{host}/?secret") == "forbidden"
    assert check(f"{scheme}://{host}/", allow_private=True) is None


def test_an_address_with_a_zone_is_refused() -> None:
    assert check("http://[fe80::1%25eth0]/") == "forbidden"


@pytest.mark.parametrize("host", ODD)
@pytest.mark.parametrize("allow_private", [True, False])
def test_addresses_in_odd_spellings_are_refused(host: str, allow_private: bool) -> None:
    assert check(f"http://{host}/?secret", allow_private) == "bad_uri"


@pytest.mark.parametrize(
    "host", ["example.com", "8.8.8.8", "[2606:4700:4700::1111]", "1pass.com", "a.0b", "xn--fiqs8s"]
)
@pytest.mark.parametrize("ending", ["", "/", ":80/x?y#z"])
def test_public_hosts_are_allowed(host: str, ending: str) -> None:
    assert check(f"http://{host}{ending}") is None


@pytest.mark.parametrize("port", [22, 6379, 8080])
def test_other_ports_are_refused(port: int) -> None:
    assert check(f"http://8.8.8.8:{port}/") == "forbidden"
    assert check(f"http://8.8.8.8:{port}/", allow_private=True) is None


@pytest.mark.parametrize("url", ["http://user:secret@8.8.8.8/", "http://secret@8.8.8.8/", "http://:secret@8.8.8.8/"])
@pytest.mark.parametrize("allow_private", [True, False])
def test_credentials_are_refused(url: str, allow_private: bool) -> None:
    assert check(url, allow_private) == "forbidden"


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_refused(url: str) -> None:
    assert check(url) == "bad_uri"


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    assert check("http://" + text) in {None, "bad_uri", "forbidden"}


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "1.1.1.1",
        "161.25.0.1",
        "166.12.0.1",
        "166.7.0.1",
        "2606:4700:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2606:4700::200:5efe:808:808",
    ],
)
def test_public_addresses(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_address_is_no_more_public_in_disguise(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))
    assert is_public(mapped) == is_public(translated) == is_public(address)
