"""Where a request comes from: for counting only, never stored and never logged."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

NOWHERE = "?"
_HOPS_MAX = 20
_IPV6_KEPT = 64

Network = IPv4Network | IPv6Network


class Addresses:
    """Reads addresses; ``X-Forwarded-For`` counts only as far as proxies we trust have written it."""

    def __init__(self, trusted: Iterable[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, peer: str | None, forwarded: str = "") -> str:
        """Give the nearest address that is not a trusted proxy's; of IPv6 its network of 64 bits: one customer.

        What stands to the left of it in the header anybody can have written.
        """
        written = forwarded.split(",")[-_HOPS_MAX:] if forwarded and self._trusted else []
        seen = NOWHERE
        for hop in [peer or "", *reversed(written)]:
            address = _read(hop)
            if address is None:
                break
            seen = str(address)
            if not any(address in network for network in self._trusted):
                break
        return _grouped(seen)


def _read(hop: str) -> IPv4Address | IPv6Address | None:
    """Read one hop, such as 192.0.2.1, 192.0.2.1:4711, 2001:db8::1 or [2001:db8::1]:4711."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _grouped(text: str) -> str:
    if ":" not in text:
        return text
    return str(IPv6Network((int(IPv6Address(text.partition("%")[0])), _IPV6_KEPT), strict=False))
