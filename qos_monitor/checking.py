"""Tells what is configured and what is missing, before anything is started."""

import socket
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import text

from qos_monitor import clock, from_settings
from qos_monitor.errors import SettingsError
from qos_monitor.polling.sources import SOURCES
from qos_monitor.provider_words import PROVIDERS
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage

_TROUBLE: tuple[type[Exception], ...] = (*storage.TROUBLE, sqlite3.Error)


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the house: whether it is ready, whether the main job needs it, and words."""

    part: str
    is_ready: bool
    is_needed: bool
    words: str

    def __str__(self) -> str:
        mark = "ok     " if self.is_ready else "MISSING" if self.is_needed else "off    "
        return f"{mark} {self.part}: {self.words}"


async def findings(settings: Settings) -> list[Finding]:
    """Look at every part, and find what `serve` would stumble over; nothing is made and nothing is changed."""
    files = [
        _usable("policy", lambda: from_settings.served_policy(settings.policy_file).rule_version),
        _usable("clock", lambda: _clock(settings.clock_file)),
        _usable("collectors", lambda: f"{len(from_settings.collectors_of(settings))} configured"),
        _usable("listening", lambda: _address(settings.host)),
    ]
    return [
        *_sources(settings),
        *_statistics(settings),
        _pages(settings),
        *_doors(settings),
        *_claims(settings),
        *files,
        await _database(settings),
    ]


def is_ready(found: list[Finding]) -> bool:
    """Say whether the main job can be done: something is seen, and somebody can be told."""
    return all(finding.is_ready for finding in found if finding.is_needed)


def _sources(settings: Settings) -> list[Finding]:
    given = {
        "agora webhooks": (bool(settings.agora_secrets), "QOS_AGORA_SECRETS"),
        "livekit webhooks": (bool(settings.livekit_keys), "QOS_LIVEKIT_KEYS"),
        "trtc callbacks": (bool(settings.trtc_secrets), "QOS_TRTC_SECRETS"),
        "100ms webhooks": (bool(settings.hundredms_secrets), "QOS_HUNDREDMS_SECRETS"),
        "generic webhooks": (bool(settings.generic_secrets), "QOS_GENERIC_SECRETS"),
        "zoom webhooks": (bool(settings.zoom_secrets), "QOS_ZOOM_SECRETS"),
        "twilio callbacks": (bool(settings.twilio_tokens), "QOS_TWILIO_TOKENS"),
        "janus events": (bool(settings.janus_credentials), "QOS_JANUS_CREDENTIALS"),
        "beacons": (bool(settings.beacon_secrets), "QOS_BEACON_SECRETS"),
        "observations": (settings.observations_token is not None, "QOS_OBSERVATIONS_TOKEN"),
    }
    has_any = any(is_set for is_set, _ in given.values())
    return [
        Finding(part, is_set, not has_any, "taken" if is_set else f"set {name} to take them")
        for part, (is_set, name) in given.items()
    ]


def _statistics(settings: Settings) -> list[Finding]:
    found = []
    for source in SOURCES:
        provider = PROVIDERS[source.provider]
        lacking = provider.lacking(settings)
        is_ready = not lacking and source.statistics(settings) is not None
        words = f"set {' and '.join(lacking)} to poll" if lacking else provider.plan(settings)
        found.append(Finding(f"{source.provider} {provider.asked}", is_ready, is_needed=False, words=words))
    return found


def _pages(settings: Settings) -> Finding:
    count = len(settings.status_pages)
    words = f"{count} watched every {settings.status_pages_s} s" if count else "set QOS_STATUS_PAGES to watch them"
    return Finding("status pages", count > 0, is_needed=False, words=words)


def _doors(settings: Settings) -> list[Finding]:
    given = {
        "own evidence": (settings.evidence_token, "QOS_EVIDENCE_TOKEN", "POST /v1/evidence"),
        "roster": (settings.roster_token, "QOS_ROSTER_TOKEN", "PUT /v1/roster (a file can be imported without)"),
        "cases": (settings.cases_token, "QOS_CASES_TOKEN", "/v1/cases, decisions and bundles"),
    }
    return [
        Finding(
            part,
            token is not None,
            is_needed=False,
            words=f"{what}: " + ("open" if token else f"set {name}, or make keys"),
        )
        for part, (token, name, what) in given.items()
    ]


def _claims(settings: Settings) -> list[Finding]:
    has_url, has_secrets = settings.claims_url is not None, bool(settings.claims_secrets)
    return [
        Finding("claims, where to", has_url, is_needed=True, words="set" if has_url else "set QOS_CLAIMS_URL"),
        Finding(
            "claims, signed with", has_secrets, is_needed=True, words="set" if has_secrets else "set QOS_CLAIMS_SECRETS"
        ),
        Finding(
            "status from the refund system",
            bool(settings.status_secrets),
            is_needed=False,
            words="believed" if settings.status_secrets else "set QOS_STATUS_SECRETS",
        ),
    ]


def _usable(part: str, use: Callable[[], str]) -> Finding:
    try:
        return Finding(part, is_ready=True, is_needed=True, words=use())
    except SettingsError as error:
        return Finding(part, is_ready=False, is_needed=True, words="; ".join(error.problems))


def _clock(file: Path | None) -> str:
    clock.from_setting(file)
    return "the machine's" if file is None else f"driven by {file}"


def _address(host: str) -> str:
    """Take the address with any port: that of the setting may be in use by the service itself."""
    try:
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return host
    except (OSError, UnicodeError) as trouble:
        given = f"QOS_HOST: {host!r} was given; an address of this machine is wanted ({type(trouble).__name__})"
        raise SettingsError([given]) from None


async def _database(settings: Settings) -> Finding:
    try:
        engine = storage.create(settings.database_url)
    except SettingsError as error:
        return Finding("database", is_ready=False, is_needed=True, words="; ".join(error.problems))
    try:
        if file := storage.file_of(engine):
            words = _embedded(file)
        else:
            async with storage.reading(engine) as conn:
                await conn.execute(text("SELECT 1"))
            words = "answers (postgresql)"
    except _TROUBLE as trouble:
        words = f"cannot be used ({type(trouble).__name__}); look at QOS_DATABASE_URL"
        return Finding("database", is_ready=False, is_needed=True, words=words)
    finally:
        await engine.dispose()
    return Finding("database", is_ready=True, is_needed=True, words=words)


def _embedded(file: Path) -> str:
    """Look whether the file is a database, or could be made. Raises OSError or sqlite3.Error."""
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    with tempfile.TemporaryFile(dir=folder):  # has no name: whether we may write is told by writing alone
        pass
    if not file.exists():
        return "will be made at the first start (sqlite)"
    with file.open("r+b"), closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro&immutable=1", uri=True)) as opened:
        opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return "answers (sqlite)"
