"""Turns the text of one setting into its value; each raises ValueError with the words for what is wanted."""

import base64
import binascii
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from collectors.agora.analytics import PLANS
from collectors.statuspage import StatusPage
from collectors.trtc.calls import PLANS as TRTC_PLANS
from collectors.zoom.dashboards import PLANS as ZOOM_PLANS
from qos_monitor.place import ServiceRole

_CURRENCY = re.compile(r"[A-Z]{3}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_TOKEN_LENGTH_MIN = 16
_KEY_BYTES_MIN = 24  # standardwebhooks asks for 24 to 64 bytes

DAYS_MIN: int = 60
"""Judging looks back 28 days and polling 30; what is older is never looked at again, with as much to spare."""

DAYS_MAX: int = 36_500


def text(given: str) -> str:
    """Take any text that is not empty."""
    if not given:
        raise ValueError("a text that is not empty")
    return given


def text_or_none(given: str) -> str | None:
    """Take any text, or nothing."""
    return given or None


def database_url(given: str) -> str:
    """Take the URL of a database we know a driver for; one in memory would be another for each connection."""
    try:
        parsed = make_url(given)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or not (_is_database_file(parsed) or _is_database_server(parsed)):
        raise ValueError("sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/NAME")
    return given


def _is_database_file(given: URL) -> bool:
    file = given.database or ""
    is_elsewhere = file.startswith(("file:", ":memory:")) or "\0" in file
    return given.drivername == "sqlite+aiosqlite" and not given.host and bool(file) and not is_elsewhere


def _is_database_server(given: URL) -> bool:
    return given.drivername == "postgresql+asyncpg" and (given.port or 0) <= 65_535


def port(given: str) -> int:
    """Take a TCP port; 0 is any."""
    if not given.isascii() or not given.isdigit() or int(given) > 65_535:
        raise ValueError("a whole number from 0 to 65535")
    return int(given)


def port_or_none(given: str) -> int | None:
    """Take a TCP port that leaves room above it, or nothing."""
    if not given:
        return None
    if not 1 <= port(given) <= 65_000:
        raise ValueError("a whole number from 1 to 65000")
    return int(given)


def role(given: str) -> ServiceRole:
    """Take a role of a process."""
    try:
        return ServiceRole(given.lower())
    except ValueError:
        raise ValueError("all, intake or worker") from None


def url(given: str) -> str | None:
    """Take an http or https URL, or nothing; a trailing slash is dropped."""
    if not given:
        return None
    if not _is_web(given):
        raise ValueError("a URL such as https://school.example/claims")
    return given.rstrip("/")


def url_of_service(given: str) -> str:
    """Take an http or https URL; a trailing slash is dropped."""
    found = url(given)
    if found is None:
        raise ValueError("a URL such as https://api.agora.io")
    return found


def livekit_url(given: str) -> str | None:
    """Take a URL as LiveKit's consoles show it, ws and wss too, as the http or https URL of its API; or nothing."""
    scheme, mark, rest = given.partition("://")
    plain = {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme)
    try:
        return url(f"{plain}{mark}{rest}")
    except ValueError:
        raise ValueError("a URL such as wss://school.livekit.cloud") from None


def poll_s(given: str) -> float:
    """Take the seconds between two polls of presence."""
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 10 <= value <= 300:
        raise ValueError("a number of seconds from 10 to 300")
    return value


def _is_web(given: str) -> bool:
    try:
        parts = urlsplit(given)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query and not parts.fragment


def log_level(given: str) -> str:
    """Take a level of logging."""
    if given.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("debug, info, warning or error")
    return given.lower()


def path(given: str) -> Path | None:
    """Take the path of a file that exists, or nothing."""
    if not given:
        return None
    if not Path(given).is_file():
        raise ValueError("a file that exists")
    return Path(given)


def seconds(given: str) -> float:
    """Take a period in seconds."""
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 3600:
        raise ValueError("a number of seconds from 0.01 to 3600")
    return value


def rate(given: str) -> float:
    """Take how many times a second, 0 or more."""
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1_000_000:
        raise ValueError("a number from 0 to 1000000")
    return value


def networks(given: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Take addresses and networks separated by commas."""
    try:
        return tuple(ip_network(part) for part in _listed(given))
    except ValueError:
        raise ValueError("addresses or networks such as 10.0.0.0/8, separated by commas") from None


def whole(given: str) -> int:
    """Take a whole number, 0 or more."""
    if not given.isascii() or not given.isdigit():
        raise ValueError("a whole number, 0 or more")
    return int(given)


def kept_days(given: str) -> int:
    """Take how many days something is kept: long enough for judging to look back, or 0 for ever."""
    if not given.isascii() or not given.isdigit() or 0 < int(given) < DAYS_MIN or int(given) > DAYS_MAX:
        raise ValueError(f"a whole number of days from {DAYS_MIN} to {DAYS_MAX}, or 0 for ever")
    return int(given)


def positive(given: str) -> int:
    """Take a whole number, 1 or more."""
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise ValueError("a whole number, 1 or more")
    return int(given)


def _listed(given: str) -> list[str]:
    return [part.strip() for part in given.split(",")] if given else []


def secrets(given: str) -> tuple[str, ...]:
    """Take secrets separated by commas."""
    parts = _listed(given)
    if not all(parts):
        raise ValueError("secrets separated by single commas")
    return tuple(parts)


def key_pairs(given: str) -> Mapping[str, str]:
    """Take ``key:secret`` pairs separated by commas."""
    pairs = [part.partition(":") for part in _listed(given)]
    if not all(key and secret for key, _, secret in pairs) or len({key for key, *_ in pairs}) != len(pairs):
        raise ValueError("key:secret pairs separated by commas, each key once")
    return MappingProxyType({key: secret for key, _, secret in pairs})


def key_pair(given: str) -> tuple[str, str] | None:
    """Take one ``id:secret`` pair, or nothing."""
    name, _, secret = given.partition(":")
    if given and not (name and secret):
        raise ValueError("one id:secret pair")
    return (name, secret) if given else None


def zoom_account(given: str) -> tuple[str, str, str] | None:
    """Take the three keys of a server-to-server app, or nothing."""
    parts = given.split(":")
    if not given:
        return None
    if len(parts) != 3 or not all(parts):
        raise ValueError("one account_id:client_id:client_secret")
    return (parts[0], parts[1], parts[2])


def trtc_app_id(given: str) -> int | None:
    """Take the number of a TRTC application, or nothing."""
    if given and not (given.isascii() and given.isdigit() and len(given) <= 12):
        raise ValueError("a number such as 1400000000")
    return int(given) if given else None


def agora_plan(given: str) -> str:
    """Take the name of a plan of Agora Analytics."""
    return _plan(given, PLANS)


def zoom_plan(given: str) -> str:
    """Take the name of a plan of Zoom."""
    return _plan(given, ZOOM_PLANS)


def trtc_plan(given: str) -> str:
    """Take the name of a version of TRTC's monitoring dashboard."""
    return _plan(given, TRTC_PLANS)


def _plan(given: str, plans: Mapping[str, object]) -> str:
    if given.lower() not in plans:
        raise ValueError(f"one of {', '.join(plans)}")
    return given.lower()


def header_pairs(given: str) -> tuple[str, ...]:
    """Take ``header:value`` pairs separated by commas, each value long enough not to be guessed."""
    pairs = _listed(given)
    for name, _, value in (pair.partition(":") for pair in pairs):
        if not _HEADER.fullmatch(name) or len(value.strip()) < _TOKEN_LENGTH_MIN or not value.isascii():
            raise ValueError(
                f"header:value pairs separated by commas, values of {_TOKEN_LENGTH_MIN} or more ASCII characters"
            )
    return tuple(pairs)


def credentials(given: str) -> tuple[str, ...]:
    """Take ``user:password`` pairs separated by commas, each password long enough not to be guessed."""
    pairs = _listed(given)
    for user, _, password in (pair.partition(":") for pair in pairs):
        if not user or len(password) < _TOKEN_LENGTH_MIN:
            raise ValueError(
                f"user:password pairs separated by commas, passwords of {_TOKEN_LENGTH_MIN} or more characters"
            )
    return tuple(pairs)


def source_whsecs(given: str) -> tuple[str, ...]:
    """Take ``source:whsec_…`` pairs separated by commas; a source may have several."""
    pairs = _listed(given)
    for source, _, secret in (pair.partition(":") for pair in pairs):
        if not _SOURCE.fullmatch(source) or not _is_whsec(secret):
            raise ValueError(f"source:whsec_ and base64 of {_KEY_BYTES_MIN} or more random bytes, separated by commas")
    return tuple(pairs)


def status_pages(given: str) -> tuple[StatusPage, ...]:
    """Take ``provider:URL`` pairs separated by commas, each URL once; plain http only to this very machine."""
    pages = tuple(StatusPage(provider, url) for provider, _, url in (part.partition(":") for part in _listed(given)))
    if not all(_SOURCE.fullmatch(page.provider) and _is_page(page.url) for page in pages) or len(
        {page.url for page in pages}
    ) != len(pages):
        raise ValueError("pairs such as agora:https://status.agora.example, separated by commas, each page once")
    return pages


def _is_page(given: str) -> bool:
    parts = urlsplit(given) if _is_web(given) else None
    if parts is None or parts.username is not None:
        return False
    return parts.scheme == "https" or parts.hostname in {"127.0.0.1", "::1", "localhost"}


def page_period(given: str) -> int:
    """Take a period that no provider minds."""
    if not given.isascii() or not given.isdigit() or not 60 <= int(given) <= 86_400:
        raise ValueError("a whole number of seconds from 60 to 86400")
    return int(given)


def origins(given: str) -> tuple[str, ...]:
    """Take web origins (scheme, host, port; no path) separated by commas."""
    parts = _listed(given)
    if not all(_is_web(part) and part.count("/") == 2 for part in parts):
        raise ValueError("origins such as https://class.school.example, separated by commas, without a path")
    return tuple(parts)


def token(given: str) -> str | None:
    """Take a bearer token long enough not to be guessed, or nothing."""
    if not given:
        return None
    if len(given) < _TOKEN_LENGTH_MIN or not given.isascii() or not given.isprintable() or " " in given:
        raise ValueError(f"{_TOKEN_LENGTH_MIN} or more printable ASCII characters without spaces")
    return given


def whsecs(given: str) -> tuple[str, ...]:
    """Take Standard Webhooks secrets separated by commas."""
    parts = _listed(given)
    if not all(map(_is_whsec, parts)):
        raise ValueError(f"whsec_ and base64 of {_KEY_BYTES_MIN} or more random bytes, separated by commas")
    return tuple(parts)


def _is_whsec(given: str) -> bool:
    try:
        key = base64.b64decode(given.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return given.startswith("whsec_") and len(key) >= _KEY_BYTES_MIN


def sums(given: str) -> Mapping[str, int]:
    """Take ``CURRENCY:minor units`` pairs separated by commas."""
    pairs = [part.partition(":") for part in _listed(given)]
    if not all(_CURRENCY.fullmatch(code) and number.isascii() and number.isdigit() for code, _, number in pairs):
        raise ValueError("amounts in minor units such as CNY:100000,JPY:2000000")
    return MappingProxyType({code: int(number) for code, _, number in pairs})
