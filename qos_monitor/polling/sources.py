"""Which providers can be polled, and what each needs of the settings: one entry in SOURCES is all that is to add."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from collectors.agora import analytics
from collectors.agora.stats import AgoraStats
from collectors.contract import Collector
from collectors.livekit.presence import LiveKitPresence
from collectors.livekit.stats import LiveKitStats
from collectors.polls import Statistics
from qos_monitor.polling.authorizing import Authorizer, Basic, LiveKitTokens
from qos_monitor.settings import Settings
from rules.span import SECOND


@dataclass(frozen=True, slots=True)
class Source:
    """One provider's polls. What takes settings is asked only where ``is_set`` says that there are keys."""

    provider: str
    is_set: Callable[[Settings], bool]
    reader: Callable[[], Collector]
    statistics: Callable[[Settings], Statistics | None]
    """None where the plan has no statistics."""
    url: Callable[[Settings], str]
    authorizer: Callable[[Settings, aiohttp.ClientSession], Authorizer]


def _agora_statistics(settings: Settings) -> Statistics | None:
    return analytics.statistics(settings.agora_app_id or "", settings.agora_plan)


def _agora_authorizer(settings: Settings, _: aiohttp.ClientSession) -> Authorizer:
    return Basic(*(settings.agora_rest_key or ("", "")))


def _livekit_statistics(settings: Settings) -> Statistics:
    return LiveKitPresence(round(settings.livekit_poll_s * SECOND))


def _livekit_authorizer(settings: Settings, _: aiohttp.ClientSession) -> Authorizer:
    return LiveKitTokens(*next(iter(settings.livekit_keys.items())))


SOURCES: tuple[Source, ...] = (
    Source(
        provider="agora",
        is_set=lambda settings: settings.agora_rest_key is not None and settings.agora_app_id is not None,
        reader=AgoraStats,
        statistics=_agora_statistics,
        url=lambda settings: settings.agora_rest_url,
        authorizer=_agora_authorizer,
    ),
    Source(
        provider="livekit",
        is_set=lambda settings: settings.livekit_url is not None and bool(settings.livekit_keys),
        reader=LiveKitStats,
        statistics=_livekit_statistics,
        url=lambda settings: settings.livekit_url or "",
        authorizer=_livekit_authorizer,
    ),
)
"""In the order of their names; `collectors.polls.POLLED` has the same."""
