"""Which providers can be polled, and what each needs of the settings: one entry in SOURCES is all that is to add."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from collectors.agora import analytics
from collectors.agora.stats import AGORA_ANSWERS
from collectors.contract import Collector
from collectors.livekit.presence import LiveKitPresence
from collectors.livekit.stats import LIVEKIT_ANSWERS
from collectors.polls import Statistics
from collectors.trtc import calls
from collectors.trtc.stats import TRTC_ANSWERS
from collectors.zoom import dashboards
from collectors.zoom.stats import ZOOM_ANSWERS
from qos_monitor.polling.authorizing import Authorizer, Basic, LiveKitTokens
from qos_monitor.polling.oauth import AccountToken
from qos_monitor.polling.tc3 import Tc3
from qos_monitor.settings import Settings
from rules.span import SECOND


@dataclass(frozen=True, slots=True)
class Source:
    """One provider's polls. What takes settings is asked only where ``is_set`` says that there are keys."""

    provider: str
    is_set: Callable[[Settings], bool]
    reader: Collector
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


def _trtc_statistics(settings: Settings) -> Statistics | None:
    return calls.statistics(settings.trtc_sdk_app_id or 0, settings.trtc_plan)


def _trtc_authorizer(settings: Settings, _: aiohttp.ClientSession) -> Authorizer:
    return Tc3(*(settings.trtc_api_key or ("", "")), settings.trtc_region)


def _zoom_statistics(settings: Settings) -> Statistics | None:
    return dashboards.statistics(settings.zoom_plan)


def _zoom_authorizer(settings: Settings, session: aiohttp.ClientSession) -> Authorizer:
    return AccountToken(session, settings.zoom_oauth_url, settings.zoom_account or ("", "", ""))


SOURCES: tuple[Source, ...] = (
    Source(
        provider="agora",
        is_set=lambda settings: settings.agora_rest_key is not None and settings.agora_app_id is not None,
        reader=AGORA_ANSWERS,
        statistics=_agora_statistics,
        url=lambda settings: settings.agora_rest_url,
        authorizer=_agora_authorizer,
    ),
    Source(
        provider="livekit",
        is_set=lambda settings: settings.livekit_url is not None and bool(settings.livekit_keys),
        reader=LIVEKIT_ANSWERS,
        statistics=_livekit_statistics,
        url=lambda settings: settings.livekit_url or "",
        authorizer=_livekit_authorizer,
    ),
    Source(
        provider="trtc",
        is_set=lambda settings: settings.trtc_api_key is not None and settings.trtc_sdk_app_id is not None,
        reader=TRTC_ANSWERS,
        statistics=_trtc_statistics,
        url=lambda settings: settings.trtc_api_url,
        authorizer=_trtc_authorizer,
    ),
    Source(
        provider="zoom",
        is_set=lambda settings: settings.zoom_account is not None,
        reader=ZOOM_ANSWERS,
        statistics=_zoom_statistics,
        url=lambda settings: settings.zoom_api_url,
        authorizer=_zoom_authorizer,
    ),
)
"""In the order of their names; `collectors.polls.POLLED` has the same."""
