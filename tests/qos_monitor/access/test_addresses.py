"""Where a request comes from, and whose word for it is believed."""

from ipaddress import ip_network

import pytest

from qos_monitor.access.addresses import Addresses

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),  # a stranger's word counts for nothing
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # what stands further left anybody wrote
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "<script>", "10.0.0.1"),
        ("2001:db8:1::9", "[2001:db8:2:3:4::5]:443", "2001:db8:2:3::/64"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("fe80::1%eth0", "", "fe80::/64"),
        (None, "198.51.100.1", "?"),
    ],
)
def test_an_address_is_the_nearest_that_no_trusted_proxy_has(peer: str | None, forwarded: str, found: str) -> None:
    assert Addresses(PROXIES).of(peer, forwarded) == found


def test_without_trusted_proxies_the_header_is_not_looked_at() -> None:
    assert Addresses().of("10.0.0.1", "198.51.100.1") == "10.0.0.1"
