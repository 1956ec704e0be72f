"""The only module that looks at a clock."""

import mmap
import struct
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Protocol

from qos_monitor.errors import SettingsError
from rules.span import Instant

_INSTANT = struct.Struct("<q")


class Clock(Protocol):
    """Whatever tells what time it is."""

    def now(self) -> Instant:
        """Tell the present instant."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        """Tell the present instant, by the machine."""
        return time.time_ns() // 1_000_000


class DrivenClock:
    """A clock that another process moves, by writing 8 bytes into a file we both have mapped.

    The bytes are a little-endian signed integer of UTC milliseconds. An aligned write of 8 bytes is seen
    whole or not at all on the machines we run on (x86-64, aarch64), so no lock is needed.
    """

    def __init__(self, path: Path) -> None:
        """Map the file. Raises SettingsError where it does not exist or is too short."""
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), _INSTANT.size, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise SettingsError(
                [f"QOS_CLOCK_FILE: {path} was given; a file of 8 bytes is wanted ({type(error).__name__})"]
            ) from error

    def now(self) -> Instant:
        """Tell the instant last written."""
        return int(_INSTANT.unpack_from(self._map)[0])


def drive(path: Path, now: Instant) -> None:
    """Set the instant that every DrivenClock on this file tells; makes the file where there is none."""
    if not path.exists():
        path.write_bytes(_INSTANT.pack(now))
        return
    with path.open("r+b") as file, mmap.mmap(file.fileno(), _INSTANT.size) as view:
        _INSTANT.pack_into(view, 0, now)


def from_setting(file: Path | None) -> Clock:
    """Choose the driven clock where a file is set, the machine's otherwise."""
    return SystemClock() if file is None else DrivenClock(file)


stopwatch_s: Callable[[], float] = time.monotonic
"""Read a counter of seconds that never goes back; only differences mean anything."""


def http_date() -> str:
    """Write the machine's time as HTTP headers do (RFC 9110, 5.6.7), in whole seconds."""
    return formatdate(usegmt=True)
