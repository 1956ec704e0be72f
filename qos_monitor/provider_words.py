"""What `check` says of each provider: its settings, and what its plan gives and lacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from collectors.agora.analytics import PLANS as AGORA_PLANS
from collectors.polls import Limits
from collectors.trtc.calls import PLANS as TRTC_PLANS
from collectors.zoom.dashboards import PLANS as ZOOM_PLANS
from collectors.zoom.dashboards import QOS
from qos_monitor.settings import Settings, shown
from rules.span import DAY, HOUR, MINUTE, SECOND


def _no_plan(_: Settings) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider in words. ``keys`` are the settings its API needs, ``url`` that of where it is."""

    secrets: str
    events: str = "webhooks"
    asked: str = "statistics"
    keys: tuple[str, ...] = ()
    url: str = ""
    refused: str = ""
    plan: Callable[[Settings], str] = _no_plan
    no_api: str = "it has no statistics that we ask for"

    def lacking(self, settings: Settings) -> list[str]:
        """Name the settings that its API still needs."""
        return [name for name in self.keys if shown(settings)[name] == "not set"]


def _kept(limits: Limits, plan: str) -> str:
    """Say for how long data is kept, and what follows."""
    days = limits.kept_ms // DAY
    kept = f"{limits.kept_ms // HOUR} h: fetch within a day" if days <= 1 else f"{days} days"
    return f"{plan} keeps {kept}; they are there {round(limits.delay_ms / MINUTE, 1):g} min after a class"


def _agora(settings: Settings) -> str:
    name, plan = settings.agora_plan, AGORA_PLANS[settings.agora_plan]
    if plan is None:
        return f"Agora {name.title()} has no statistics; set QOS_AGORA_PLAN to what you pay for"
    day = f"{plan.limits.per_day:,} questions a day, {plan.limits.per_second} a second"
    return f"{_kept(plan.limits, f'Agora {name.title()}')}; {day}"


def _livekit(settings: Settings) -> str:
    return (
        f"who is in a room is asked every {settings.livekit_poll_s:g} s while its class runs; the server keeps "
        "nothing: a class that ends unseen is lost. It tells nothing of stalls; the beacon does"
    )


def _trtc(settings: Settings) -> str:
    limits = TRTC_PLANS[settings.trtc_plan]
    if limits is None:
        return (
            f"the {settings.trtc_plan} version of the monitoring dashboard has no API since 2024-04-01; "
            "set QOS_TRTC_PLAN to what you pay for"
        )
    return _kept(limits, f"the {settings.trtc_plan} version")


def _zoom(settings: Settings) -> str:
    plan = ZOOM_PLANS[settings.zoom_plan]
    if plan is None:
        return (
            f"Zoom's {settings.zoom_plan} plan has neither reports nor dashboard; set QOS_ZOOM_PLAN to what you pay for"
        )
    kept = _kept(plan.limits, f"Zoom {settings.zoom_plan}")
    quality = "" if QOS in plan.lists else "; quality needs Business or above"
    return f"{kept}{quality}; quality while a class runs (QSS events) needs the Quality of Service Subscription"


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "agora": Provider(
            secrets="QOS_AGORA_SECRETS",
            keys=("QOS_AGORA_REST_KEY", "QOS_AGORA_APP_ID"),
            url="QOS_AGORA_REST_URL",
            refused="look at QOS_AGORA_REST_KEY (console, RESTful API) and QOS_AGORA_APP_ID, "
            "and whether the plan includes Analytics",
            plan=_agora,
        ),
        "livekit": Provider(
            secrets="QOS_LIVEKIT_KEYS",
            asked="presence",
            keys=("QOS_LIVEKIT_URL", "QOS_LIVEKIT_KEYS"),
            url="QOS_LIVEKIT_URL",
            refused="the first pair of QOS_LIVEKIT_KEYS is not one of that server's, or its clock is off by minutes",
            plan=_livekit,
        ),
        "trtc": Provider(
            secrets="QOS_TRTC_SECRETS",
            events="callbacks",
            keys=("QOS_TRTC_API_KEY", "QOS_TRTC_SDK_APP_ID"),
            url="QOS_TRTC_API_URL",
            refused="look at QOS_TRTC_API_KEY (may it call TRTC?), QOS_TRTC_SDK_APP_ID, "
            "and whether the package includes the monitoring dashboard",
            plan=_trtc,
        ),
        "zoom": Provider(
            secrets="QOS_ZOOM_SECRETS",
            keys=("QOS_ZOOM_ACCOUNT",),
            url="QOS_ZOOM_API_URL and QOS_ZOOM_OAUTH_URL",
            refused="look at QOS_ZOOM_ACCOUNT, whether the app is activated and has the scopes, and QOS_ZOOM_PLAN",
            plan=_zoom,
        ),
        "hundredms": Provider("QOS_HUNDREDMS_SECRETS"),
        "generic": Provider("QOS_GENERIC_SECRETS", events="observations"),
        "twilio": Provider("QOS_TWILIO_TOKENS", events="callbacks"),
        "janus": Provider("QOS_JANUS_CREDENTIALS", events="events", no_api="it sends everything by itself"),
        "beacon": Provider("QOS_BEACON_SECRETS", events="beacons", no_api="your own clients send them"),
    }
)
"""By the name in URLs and in the roster; each is a provider of `collectors.registry.OURS`."""


def ago(passed_ms: int) -> str:
    """Say how long ago something was, with two units at most."""
    if passed_ms < MINUTE:
        return f"{max(passed_ms, 0) // SECOND} s ago"
    if passed_ms < HOUR:
        return f"{passed_ms // MINUTE} min ago"
    hours, minutes = divmod(passed_ms // MINUTE, 60)
    if passed_ms < 2 * DAY:
        return f"{hours} h {minutes} min ago"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h ago"
