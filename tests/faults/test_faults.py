"""Whatever is broken, nothing acknowledged is lost or doubled, every claim due is sent, and none comes in two forms."""

import pytest
from fault_catalogue import FAULTS, Fault
from postgresql_server import served

TRIALS_MAX = 1
"""`make faults` breaks each as often as its entry says."""


def broken_on(store: str) -> list[object]:
    """List the faults of one store, each under its name."""
    return [pytest.param(fault, id=fault.name) for fault in FAULTS if store in fault.stores]


@pytest.mark.parametrize("fault", broken_on("sqlite"))
async def test_on_sqlite_it_recovers_by_itself_and_loses_nothing(fault: Fault) -> None:
    outcome = await fault.run(min(fault.trials, TRIALS_MAX), None)
    assert outcome.is_clean, outcome
    assert outcome.acknowledged
    assert outcome.due


@pytest.mark.parametrize("fault", broken_on("postgresql"))
async def test_on_postgresql_it_recovers_by_itself_and_loses_nothing(fault: Fault) -> None:
    with served() as server:
        outcome = await fault.run(min(fault.trials, TRIALS_MAX), server)
    assert outcome.is_clean, outcome
    assert outcome.acknowledged
    assert outcome.due
