"""Settings, from the environment or a TOML file: read once, checked all together, then frozen."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType

from collectors.statuspage import StatusPage
from qos_monitor import setting_values as values
from qos_monitor.errors import SettingsError
from qos_monitor.place import ServiceRole
from qos_monitor.templates import Template, participant_templates, room_templates

PREFIX = "QOS_"
_FILE = "_FILE"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the README documents it; an empty default is none."""

    name: str
    default: str
    meaning: str
    read: Callable[[str], object]
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator wants; fields are the names of TABLE without QOS_, in lower case. None is not set."""

    database_url: str
    database_bytes_max: int
    host: str
    port: int
    metrics_port: int | None
    role: ServiceRole
    public_url: str | None
    log_level: str
    clock_file: Path | None
    tick_s: float
    policy_file: Path | None
    agora_secrets: tuple[str, ...]
    agora_rest_key: tuple[str, str] | None
    agora_app_id: str | None
    agora_plan: str
    agora_rest_url: str
    livekit_keys: Mapping[str, str]
    livekit_url: str | None
    livekit_poll_s: float
    zoom_account: tuple[str, str, str] | None
    zoom_plan: str
    zoom_api_url: str
    zoom_oauth_url: str
    trtc_api_key: tuple[str, str] | None
    trtc_sdk_app_id: int | None
    trtc_plan: str
    trtc_api_url: str
    trtc_region: str
    trtc_secrets: tuple[str, ...]
    hundredms_secrets: tuple[str, ...]
    generic_secrets: tuple[str, ...]
    zoom_secrets: tuple[str, ...]
    twilio_tokens: tuple[str, ...]
    twilio_url: str | None
    janus_credentials: tuple[str, ...]
    beacon_secrets: tuple[str, ...]
    beacon_origins: tuple[str, ...]
    room_templates: tuple[Template, ...]
    participant_templates: tuple[Template, ...]
    status_pages: tuple[StatusPage, ...]
    status_pages_s: int
    observations_token: str | None
    evidence_token: str | None
    roster_token: str | None
    cases_token: str | None
    oneroster_client: tuple[str, str] | None
    lti_private_key: str | None
    claims_url: str | None
    claims_secrets: tuple[str, ...]
    status_secrets: tuple[str, ...]
    breaker_claims_min: int
    breaker_sum_minor: Mapping[str, int]
    body_bytes_max: int
    upload_bytes_max: int
    intake_queue_max: int
    keep_deliveries_days: int
    keep_evidence_days: int
    keep_superseded_days: int
    provider_rate: float
    beacon_rate: float
    key_rate: float
    refused_rate: float
    trusted_proxies: tuple[Network, ...]


def _secret(name: str, meaning: str, read: Callable[[str], object]) -> Setting:
    return Setting(name, "", meaning, read, is_secret=True)


TABLE: tuple[Setting, ...] = (
    Setting(
        "QOS_DATABASE_URL",
        "sqlite+aiosqlite:///var/qos-monitor.sqlite3",
        "where everything is kept; `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://…`",
        values.database_url,
        is_secret=True,
    ),
    Setting(
        "QOS_DATABASE_BYTES_MAX",
        "0",
        "how large the database may become, for an alert; 0: as large as the disk of a SQLite file lets it",
        values.whole,
    ),
    Setting("QOS_HOST", "127.0.0.1", "address to listen on", values.text),
    Setting("QOS_PORT", "8080", "port to listen on; 0 takes a free one and logs it", values.port),
    Setting(
        "QOS_METRICS_PORT",
        "",
        "a port of its own for health and metrics; of `serve --workers` the first, one more for each process",
        values.port_or_none,
    ),
    Setting("QOS_ROLE", "all", "what this process does: intake, worker or all; `serve --role` goes first", values.role),
    Setting("QOS_PUBLIC_URL", "", "how others reach this service; links in claims begin with it", values.url),
    Setting("QOS_LOG_LEVEL", "info", "debug, info, warning or error", values.log_level),
    Setting("QOS_CLOCK_FILE", "", "a file that holds the time instead of the machine's clock (tests)", values.path),
    Setting("QOS_TICK_S", "1.0", "seconds between two runs of each background job", values.seconds),
    Setting("QOS_POLICY_FILE", "", "a policy.toml to use instead of the one delivered", values.path),
    _secret("QOS_AGORA_SECRETS", "NCS secrets, comma separated; any of them is believed", values.secrets),
    _secret("QOS_AGORA_REST_KEY", "`customer id:secret` of Agora's REST API; none: no statistics", values.key_pair),
    Setting("QOS_AGORA_APP_ID", "", "the project whose statistics are fetched", values.text_or_none),
    Setting("QOS_AGORA_PLAN", "standard", "Analytics plan: starter, standard, premium, enterprise", values.agora_plan),
    Setting("QOS_AGORA_REST_URL", "https://api.agora.io", "where Agora's REST API is", values.url_of_service),
    _secret("QOS_LIVEKIT_KEYS", "`key:secret` pairs, comma separated", values.key_pairs),
    Setting("QOS_LIVEKIT_URL", "", "where LiveKit's server API is; none: no presence polls", values.livekit_url),
    Setting("QOS_LIVEKIT_POLL_S", "60", "seconds between two questions who is in a room, 10 to 300", values.poll_s),
    _secret("QOS_ZOOM_ACCOUNT", "`account_id:client_id:client_secret`; none: no statistics", values.zoom_account),
    Setting("QOS_ZOOM_PLAN", "business", "the account's plan: free, pro, business (and above)", values.zoom_plan),
    Setting("QOS_ZOOM_API_URL", "https://api.zoom.us/v2", "where Zoom's REST API is", values.url_of_service),
    Setting("QOS_ZOOM_OAUTH_URL", "https://zoom.us/oauth/token", "where Zoom gives tokens", values.url_of_service),
    _secret("QOS_TRTC_API_KEY", "`SecretId:SecretKey` of Tencent Cloud; none: no statistics", values.key_pair),
    Setting("QOS_TRTC_SDK_APP_ID", "", "the TRTC application whose statistics are fetched", values.trtc_app_id),
    Setting("QOS_TRTC_PLAN", "standard", "monitoring dashboard: free, standard, advanced", values.trtc_plan),
    Setting("QOS_TRTC_API_URL", "https://trtc.tencentcloudapi.com", "where TRTC's API is", values.url_of_service),
    Setting("QOS_TRTC_REGION", "ap-guangzhou", "the region TRTC's API is asked in", values.text),
    _secret("QOS_TRTC_SECRETS", "TRTC callback keys, comma separated; any of them is believed", values.secrets),
    _secret("QOS_HUNDREDMS_SECRETS", "`header:value` pairs that 100ms sends, comma separated", values.header_pairs),
    _secret("QOS_GENERIC_SECRETS", "`source:whsec_…` pairs of your own systems, comma separated", values.source_whsecs),
    _secret("QOS_ZOOM_SECRETS", "secret tokens of Zoom apps, comma separated; any of them is believed", values.secrets),
    _secret("QOS_TWILIO_TOKENS", "Twilio auth tokens, comma separated; any of them is believed", values.secrets),
    Setting("QOS_TWILIO_URL", "", "the URL given to Twilio; none: QOS_PUBLIC_URL and `/webhooks/twilio`", values.url),
    _secret("QOS_JANUS_CREDENTIALS", "`user:password` pairs of Janus servers, comma separated", values.credentials),
    _secret("QOS_BEACON_SECRETS", "secrets that sign beacon tokens; the first one mints", values.secrets),
    Setting("QOS_BEACON_ORIGINS", "", "web origins whose pages may send beacons (CORS)", values.origins),
    Setting("QOS_ROOM_TEMPLATES", "", "`provider:class-{class_id}`, comma separated (docs/mapping.md)", room_templates),
    Setting(
        "QOS_PARTICIPANT_TEMPLATES",
        "",
        "`provider:u{learner_id}` or `provider:t{teacher_id}`, comma separated (docs/mapping.md)",
        participant_templates,
    ),
    Setting("QOS_STATUS_PAGES", "", "`provider:https://…` of status pages, comma separated", values.status_pages),
    Setting("QOS_STATUS_PAGES_S", "120", "seconds between two looks at a status page, 60 or more", values.page_period),
    _secret(
        "QOS_OBSERVATIONS_TOKEN", "fixed key of scope `observations`; without it only keys that were made", values.token
    ),
    _secret("QOS_EVIDENCE_TOKEN", "fixed key of scope `evidence`; without it only keys that were made", values.token),
    _secret("QOS_ROSTER_TOKEN", "fixed key of scope `roster`; without it only keys that were made", values.token),
    _secret(
        "QOS_CASES_TOKEN",
        "fixed key of `cases.read` and `cases.decide`; without it only keys that were made",
        values.token,
    ),
    _secret("QOS_ONEROSTER_CLIENT", "`client id:secret` of `import oneroster-rest`", values.key_pair),
    _secret("QOS_LTI_PRIVATE_KEY", "RSA key in PEM that signs for `import nrps`", values.text_or_none),
    Setting("QOS_CLAIMS_URL", "", "where claims are sent; none: they wait", values.url),
    _secret("QOS_CLAIMS_SECRETS", "`whsec_…` secrets that sign claims; all of them sign", values.whsecs),
    _secret("QOS_STATUS_SECRETS", "`whsec_…` secrets the refund system signs with", values.whsecs),
    Setting("QOS_BREAKER_CLAIMS_MIN", "25", "so many claims in 24 h always pass the breaker", values.whole),
    Setting("QOS_BREAKER_SUM_MINOR", "", "most money in 24 h, `CNY:100000,JPY:…`; none: no limit", values.sums),
    Setting("QOS_BODY_BYTES_MAX", "1048576", "largest webhook taken", values.positive),
    Setting("QOS_UPLOAD_BYTES_MAX", "33554432", "largest roster or batch of observations taken", values.positive),
    Setting("QOS_INTAKE_QUEUE_MAX", "4096", "deliveries that may wait for the disk before 503", values.positive),
    Setting("QOS_KEEP_DELIVERIES_DAYS", "90", "raw deliveries, once read; 60 or more, 0: for ever", values.kept_days),
    Setting("QOS_KEEP_EVIDENCE_DAYS", "400", "observations, polls; 60 or more, 0: for ever", values.kept_days),
    Setting("QOS_KEEP_SUPERSEDED_DAYS", "400", "verdicts replaced; 60 or more, 0: for ever", values.kept_days),
    Setting("QOS_PROVIDER_RATE", "20000", "believed webhooks a second of one provider; 0: no limit", values.rate),
    Setting("QOS_BEACON_RATE", "5", "batches a second under one beacon token; 0: no limit", values.rate),
    Setting("QOS_KEY_RATE", "1000", "API requests a second under one key; 0: no limit", values.rate),
    Setting("QOS_REFUSED_RATE", "100", "requests a second of one address that nobody believes", values.rate),
    Setting("QOS_TRUSTED_PROXIES", "", "addresses or networks whose X-Forwarded-For is believed", values.networks),
)

_BY_NAME = {setting.name: setting for setting in TABLE}


def load(environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read every setting; the environment goes before the file, the file before the default.

    In the file a name is written without QOS_ and in lower case, and may be a text, a number or a list. Every
    setting may be given as NAME_FILE instead: a path to a file that holds the value.
    Raises SettingsError with every mistake: name, what was given (unless secret), what is wanted.
    """
    problems: list[str] = []
    ours, below = _from_environ(environ, problems), _from_file(file, problems)
    settled = {_target(name) for name in ours}
    given = ours | {name: value for name, value in below.items() if _target(name) not in settled}
    texts = _contents(given, problems)
    read = {setting.name: _read(setting, texts.get(setting.name), problems) for setting in TABLE}
    if read["QOS_CLAIMS_URL"] and read["QOS_CLAIMS_SECRETS"] == ():
        problems.append("QOS_CLAIMS_SECRETS: nothing was given; a claim sent to QOS_CLAIMS_URL must be signed")
    if read["QOS_TWILIO_TOKENS"] and not (texts.get("QOS_TWILIO_URL") or texts.get("QOS_PUBLIC_URL")):
        problems.append("QOS_TWILIO_URL: nothing was given; the URL that Twilio signs is wanted, or QOS_PUBLIC_URL")
    if read["QOS_AGORA_REST_KEY"] and not read["QOS_AGORA_APP_ID"]:
        problems.append("QOS_AGORA_APP_ID: nothing was given; QOS_AGORA_REST_KEY asks about one project")
    if read["QOS_TRTC_API_KEY"] and not read["QOS_TRTC_SDK_APP_ID"]:
        problems.append("QOS_TRTC_SDK_APP_ID: nothing was given; QOS_TRTC_API_KEY asks about one application")
    if read["QOS_LIVEKIT_URL"] and not read["QOS_LIVEKIT_KEYS"]:
        problems.append("QOS_LIVEKIT_KEYS: nothing was given; who asks at QOS_LIVEKIT_URL needs a key:secret pair")
    if problems:
        raise SettingsError(sorted(problems))
    fields = {name.removeprefix(PREFIX).lower(): value for name, value in read.items()}
    return Settings(**fields)  # type: ignore[arg-type]  # each was read as its field's type; a test compares them


def files(environ: Mapping[str, str], file: Path | None = None) -> list[Path]:
    """Name every file that `load` would read values from, those named in ``file`` too, in a fixed order."""
    given = _from_environ(environ, []) | {f"{name} ": value for name, value in _from_file(file, []).items()}
    named = {value for name, value in given.items() if name.strip() not in _BY_NAME and "\0" not in value}
    return [*([] if file is None else [file]), *map(Path, sorted(named))]


def _read(setting: Setting, given: str | None, problems: list[str]) -> object:
    text = setting.default if given is None else given.strip()
    try:
        return setting.read(text)
    except ValueError as wanted:
        shown = "a secret that is not shown" if setting.is_secret else repr(text)
        problems.append(f"{setting.name}: {shown} was given; {wanted} is wanted")
        return None


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    problems += [_unknown(name, name) for name in ours if not _is_known(name)]
    return {name: value for name, value in ours.items() if _is_known(name)}


def _from_file(file: Path | None, problems: list[str]) -> dict[str, str]:
    if file is None:
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"--config: {file} was given; a TOML file that can be read is wanted ({error})")
        return {}
    given = {}
    for key, value in table.items():
        name = PREFIX + key.upper()
        if not _is_known(name) or key != key.lower():
            problems.append(_unknown(f"{file.name}: {key}", name))
        elif isinstance(value, dict | bool):
            problems.append(f"{file.name}: {key}: a text, a number or a list is wanted")
        else:
            given[name] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return given


def _target(name: str) -> str:
    """Name the setting that this name, or this name of a file, is about."""
    return name if name in _BY_NAME else name.removesuffix(_FILE)


def _is_known(name: str) -> bool:
    return _target(name) in _BY_NAME


def _unknown(shown: str, name: str) -> str:
    near = get_close_matches(name, _BY_NAME, n=1)
    return f"{shown}: is not a setting" + (f"; {near[0]} is" if near else "")


def _contents(given: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    """Replace NAME_FILE by what the file holds."""
    texts = {name: value for name, value in given.items() if name in _BY_NAME}
    for name, where in given.items():
        if name in _BY_NAME:
            continue
        target = _target(name)
        if target in texts:
            problems.append(f"{name}: {target} was given too; one of them is wanted")
            continue
        try:
            texts[target] = Path(where).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
            # Who forgets that a file is wanted gives the secret itself.
            shown = "a path that is not shown" if _BY_NAME[target].is_secret else repr(where)
            reason = type(error).__name__
            problems.append(f"{name}: {shown} was given; a file that can be read is wanted ({reason})")
    return texts


def shown(settings: Settings) -> Mapping[str, str]:
    """Write every setting in force for a person; of a secret only whether there is one."""
    words = {}
    for setting in TABLE:
        value = getattr(settings, setting.name.removeprefix(PREFIX).lower())
        is_set = value is not None and value not in ((), {})
        words[setting.name] = ("set" if is_set else "not set") if setting.is_secret else _plain(value, is_set=is_set)
    return MappingProxyType(words)


def _plain(value: object, *, is_set: bool) -> str:
    if not is_set:
        return "not set"
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{number}" for key, number in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
