"""Finds a collector by its provider's name: ours in a table, third parties' by entry point."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType

from collectors import agora, beacon, generic, hundredms, janus, livekit, trtc, twilio, zoom
from collectors.contract import Collector

Factory = Callable[[tuple[str, ...]], Collector]
"""Makes a collector from its provider's live secrets. Raises ValueError, in words, without the secrets."""

ENTRY_POINTS: str = "qos_monitor.collectors"
"""A third party's distribution lists here ``provider = package.module:factory``."""

OURS: Mapping[str, Factory] = MappingProxyType(
    {
        "agora": agora.build,
        "livekit": livekit.build,
        "trtc": trtc.build,
        "hundredms": hundredms.build,
        "generic": generic.build,
        "zoom": zoom.build,
        "twilio": twilio.build,
        "janus": janus.build,
        "beacon": beacon.build,
    }
)
"""Provider, as in the URL, and what makes its collector from its secrets, written as its own ``build`` says."""


def known() -> frozenset[str]:
    """List every provider that can be built here; nothing of a third party is imported for it."""
    return frozenset(OURS) | {point.name for point in entry_points(group=ENTRY_POINTS)}


def build(secrets: Mapping[str, Sequence[str]]) -> dict[str, Collector]:
    """Make a collector for each provider that has secrets; one with none is left out.

    Raises ValueError for a provider nobody knows or for secrets that cannot be used.
    """
    return {name: _factory(name)(tuple(given)) for name, given in secrets.items() if given}


def _factory(name: str) -> Factory:
    if name in OURS:  # a third party never takes the place of one of ours
        return OURS[name]
    for point in entry_points(group=ENTRY_POINTS, name=name):
        factory: Factory = point.load()
        return factory
    raise ValueError(f"no collector is named {name!r}; there are {', '.join(sorted(known()))}")
