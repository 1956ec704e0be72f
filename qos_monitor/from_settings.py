"""Makes what the settings name, before anything runs: what reads deliveries, and the policy."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from collectors import registry
from collectors.contract import Collector
from qos_monitor import backend, observation_lines
from qos_monitor.errors import SettingsError
from qos_monitor.polling import jobs as polling
from qos_monitor.polling import status_pages
from qos_monitor.settings import Settings
from qos_monitor.storage.rows import WINDOW
from rules import policy as policies
from rules.document import Invalid
from rules.policy import Policy
from rules.span import MINUTE

_SETTING_OF: Mapping[str, str] = MappingProxyType(
    {
        "livekit": "QOS_LIVEKIT_KEYS",
        "twilio": "QOS_TWILIO_TOKENS",
        "janus": "QOS_JANUS_CREDENTIALS",
        **{name: f"QOS_{name.upper()}_SECRETS" for name in ("agora", "trtc", "hundredms", "generic", "zoom", "beacon")},
    }
)


def collectors_of(settings: Settings) -> dict[str, Collector]:
    """Make the collectors that have secrets. Raises SettingsError where these cannot be used."""
    secrets = {
        "agora": settings.agora_secrets,
        "livekit": tuple(f"{key}:{secret}" for key, secret in settings.livekit_keys.items()),
        "trtc": settings.trtc_secrets,
        "hundredms": settings.hundredms_secrets,
        "generic": settings.generic_secrets,
        "zoom": settings.zoom_secrets,
        "twilio": tuple(f"{token}@{_twilio_url(settings)}" for token in settings.twilio_tokens),
        "janus": settings.janus_credentials,
        "beacon": settings.beacon_secrets,
    }
    made: dict[str, Collector] = {}
    problems = []
    for provider, given in secrets.items():
        try:
            made |= registry.build({provider: given})
        except ValueError as error:
            problems.append(f"{_SETTING_OF[provider]}: {error}")
    if problems:
        raise SettingsError(problems)
    return made


def readers_of(settings: Settings, collectors: Mapping[str, Collector]) -> dict[str, Collector]:
    """Name everything that reads a delivery: these collectors, and who reads the school's own and answers to us."""
    return {
        **collectors,
        observation_lines.PROVIDER: observation_lines.ObservationLines(),
        backend.PROVIDER: backend.Evidence(),
        **polling.readers(settings),
        **status_pages.readers(settings),
    }


def _twilio_url(settings: Settings) -> str:
    return settings.twilio_url or f"{settings.public_url}/webhooks/twilio"


def policy_of(file: Path | None) -> Policy:
    """Load the policy in force. Raises SettingsError with every wrong key."""
    if file is None:
        return policies.default()
    try:
        return policies.load(file.read_text(encoding="utf-8"))
    except Invalid as invalid:
        raise SettingsError([f"{file.name}: {problem}" for problem in invalid.problems]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{file}: a policy that can be read is wanted ({type(error).__name__})"]) from None


def served_policy(file: Path | None) -> Policy:
    """Load the policy for the service, whose tables hold windows of one length. Raises SettingsError."""
    policy = policy_of(file)
    if policy.attribution.window_min * MINUTE != WINDOW:
        words = f"{WINDOW // MINUTE} is wanted: the tables hold windows of so many minutes"
        raise SettingsError([f"attribution.window_min: {policy.attribution.window_min} was given; {words}"])
    return policy
