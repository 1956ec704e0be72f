"""Cuts the addresses of people's devices in stored deliveries down to their networks, once what they tell was read."""

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

IPV4_KEPT, IPV6_KEPT = 24, 48
"""So many bits stay: enough to tell a carrier, too few to tell a household."""

# Keys whose values may hold an address, as providers write them: ip, ipAddress, internal_ip_addresses, ClientIp,
# local-candidate. Numbers with three dots stand elsewhere too: versions of apps, which must stay as they are.
_HELD = re.compile(
    rb'(?:[iI][pP]s?|[aA]ddress(?:es)?|[cC]andidates?|selected-pair)"\s*:\s*("(?:[^"\\]|\\.)*"|\[[^\[\]{}]*\])'
)
_ADDRESS = re.compile(
    rb"(?<![0-9A-Za-z.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![0-9A-Za-z.])"
    rb"|(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4})(?![0-9A-Za-z:.]))"
)


def shortened(body: bytes) -> bytes:
    """Give the body with every address cut down to its network; all else stays byte for byte. Twice is once."""
    return _HELD.sub(lambda held: _ADDRESS.sub(_network, held[0]), body)


def _network(found: re.Match[bytes]) -> bytes:
    try:
        address = ip_address(found[0].decode("ascii"))
    except ValueError:
        return found[0]
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if mapped is not None:
        return b"::ffff:" + str(IPv4Network((int(mapped), IPV4_KEPT), strict=False).network_address).encode()
    if address.version == 4:
        return str(IPv4Network((int(address), IPV4_KEPT), strict=False).network_address).encode()
    return str(IPv6Network((int(address), IPV6_KEPT), strict=False).network_address).encode()
