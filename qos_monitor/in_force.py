"""The settings in force: as they were at the start, except secrets, which may change while the service runs."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qos_monitor import logs
from qos_monitor import settings as setting_table
from qos_monitor.errors import SettingsError
from qos_monitor.settings import PREFIX, Settings

ROTATING: tuple[str, ...] = (
    "QOS_AGORA_SECRETS",
    "QOS_AGORA_REST_KEY",
    "QOS_LIVEKIT_KEYS",
    "QOS_ZOOM_ACCOUNT",
    "QOS_ZOOM_SECRETS",
    "QOS_TRTC_API_KEY",
    "QOS_TRTC_SECRETS",
    "QOS_HUNDREDMS_SECRETS",
    "QOS_GENERIC_SECRETS",
    "QOS_TWILIO_TOKENS",
    "QOS_JANUS_CREDENTIALS",
    "QOS_BEACON_SECRETS",
    "QOS_OBSERVATIONS_TOKEN",
    "QOS_EVIDENCE_TOKEN",
    "QOS_ROSTER_TOKEN",
    "QOS_CASES_TOKEN",
    "QOS_CLAIMS_SECRETS",
    "QOS_STATUS_SECRETS",
)
"""The settings that may change while the service runs."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings are read from: the environment of the start, and a file."""

    environ: Mapping[str, str] = field(repr=False)
    config: Path | None = None

    def read(self) -> Settings:
        """Read them. Raises SettingsError."""
        return setting_table.load(self.environ, self.config)

    def files(self) -> Sequence[Path]:
        """Name every file they may be in."""
        return setting_table.files(self.environ, self.config)


class InForce:
    """Holds the settings, and looks from time to time whether a file of theirs changed."""

    def __init__(self, settings: Settings, source: Source | None, adopt: Callable[[Settings], None]) -> None:
        """Take what puts new ones in force; it raises SettingsError, and changes nothing, where it cannot."""
        self.settings = settings
        self._source = source
        self._adopt = adopt
        self._seen = self._signature()

    def look(self, *, is_told: bool = False) -> bool:
        """Read the settings again where a file changed, or where we are told to; say whether any is new now.

        All of a reading or nothing: with a mistake anywhere the old ones stay in force, and the log names the setting.
        """
        signature = self._signature()
        if self._source is None or (signature == self._seen and not is_told):
            return False
        self._seen = signature
        try:
            return self._take(self._source.read())
        except SettingsError as error:
            names = sorted({problem.partition(":")[0] for problem in error.problems})
            logs.event("secrets_not_reloaded", logging.ERROR, settings=", ".join(names))
            return False

    def _take(self, read: Settings) -> bool:
        new = [name for name in ROTATING if getattr(read, _field(name)) != getattr(self.settings, _field(name))]
        if not new:
            return False
        if gone := [name for name in new if bool(getattr(read, _field(name))) != bool(self._of(name))]:
            raise SettingsError([f"{name}: is opened or closed by a restart alone" for name in gone])
        settings = replace(self.settings, **{_field(name): getattr(read, _field(name)) for name in new})
        self._adopt(settings)
        self.settings = settings
        logs.event("secrets_reloaded", settings=", ".join(new))
        return True

    def _of(self, name: str) -> object:
        return getattr(self.settings, _field(name))

    def _signature(self) -> tuple[tuple[int, int, int] | None, ...]:
        return () if self._source is None else tuple(map(_stamp, self._source.files()))


def _field(name: str) -> str:
    return name.removeprefix(PREFIX).lower()


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Tell what changes when a file is written, or another takes its place, by a link too."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
