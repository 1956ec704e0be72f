"""The clock another process drives."""

from pathlib import Path

import pytest

from qos_monitor import clock
from qos_monitor.clock import DrivenClock, SystemClock
from qos_monitor.errors import SettingsError


def test_a_driven_clock_tells_what_was_last_written_and_may_go_back(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock.drive(file, 1_000)
    driven = clock.from_setting(file)

    assert driven.now() == 1_000
    clock.drive(file, 1_700_000_000_000)
    assert driven.now() == 1_700_000_000_000
    clock.drive(file, -1)
    assert driven.now() == -1


@pytest.mark.parametrize("content", [None, b"1234567"])
def test_a_clock_file_that_is_missing_or_too_short_is_a_setting_to_mend(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "clock"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError, match="QOS_CLOCK_FILE"):
        DrivenClock(file)


def test_without_a_file_the_machine_tells_the_time() -> None:
    told = clock.from_setting(None)

    assert isinstance(told, SystemClock)
    assert told.now() > 1_700_000_000_000
