"""The proof: anybody can judge again from it, and whoever touched it is found out."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from claim_parts import FILED, Court, dark_life, life, richer
from rules_school import kept_out, lesson, local, on_weekdays
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims import bundle
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import canonical
from qos_monitor.storage.tables import bundles
from rules.span import HOUR


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    return Court(engine)


async def chain(court: Court) -> list[bytes]:
    async with storage.reading(court.engine) as conn:
        query = select(bundles.c.body, bundles.c.sha256).order_by(bundles.c.seq)
        rows = (await conn.execute(query)).all()
    for row in rows:
        assert hashlib.sha256(row.body.encode()).hexdigest() == row.sha256
    return [row.body.encode() for row in rows]


async def test_a_bundle_is_equal_to_what_it_recomputes(court: Court) -> None:
    await court.judge(dark_life())

    (data,) = await chain(court)

    assert bundle.verify(data) == []
    assert json.loads(data)["judgement"]["cases"][0]["amount_minor"] == 280_000


def _amount(bundled: dict[str, Any]) -> None:
    bundled["judgement"]["cases"][0]["amount_minor"] += 1


def _verdict(bundled: dict[str, Any]) -> None:
    bundled["judgement"]["verdicts"][1]["verdict"] = "ATTENDED"


def _input(bundled: dict[str, Any]) -> None:
    bundled["dossier"]["roster"]["enrolments"][0]["paid_minor"] -= 100_000


def _evidence(bundled: dict[str, Any]) -> None:
    bundled["dossier"]["observations"].pop()


def _version(bundled: dict[str, Any]) -> None:
    bundled["rule_version"] = "0-000000000000"


def _policy(bundled: dict[str, Any]) -> None:
    bundled["policy"]["outage"]["owed_s"] = 999_999


def _days(bundled: dict[str, Any]) -> None:
    bundled["working_days"] = {}


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        (_amount, "judgement.cases[0].amount_minor: stored 280001, recomputed 280000"),
        (_verdict, 'judgement.verdicts[1].verdict: stored "ATTENDED", recomputed "UNABLE_PLATFORM"'),
        (_input, "judgement.cases[0].amount_minor: stored 280000, recomputed 180000"),
        (_evidence, 'judgement.verdicts[1].verdict: stored "UNABLE_PLATFORM", recomputed "NO_SHOW"'),
        (_version, "rule_version: stored"),
        (_policy, "rule_version: stored"),
        (_days, "working_days: 2026-11-06 is needed and missing"),
    ],
)
async def test_whatever_is_touched_is_named_with_its_path(
    court: Court, touch: Callable[[dict[str, Any]], None], told: str
) -> None:
    await court.judge(dark_life())
    bundled = json.loads((await chain(court))[0])

    touch(bundled)

    found = bundle.verify(canonical(bundled).encode())
    assert any(problem.startswith(told) for problem in found), found


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"[]", b"{}", b'{"format":"qos-monitor/bundle/1"}', b"nonsense", b"NaN", b"[" * 100_000]
)
def test_what_is_no_bundle_is_said_and_never_raised(data: bytes) -> None:
    assert bundle.verify(data) != []


async def test_bytes_that_are_not_canonical_are_found_out(court: Court) -> None:
    await court.judge(dark_life())
    data = json.dumps(json.loads((await chain(court))[0])).encode()

    assert bundle.verify(data) == ["the bytes are not the canonical form, so their hash is not the bundle's"]


async def test_a_link_taken_out_of_the_chain_is_missed(court: Court) -> None:
    for step, used in enumerate((30, 20, 10)):
        await court.judge(dark_life(richer(used)), FILED + step * HOUR)
    whole = await chain(court)
    assert len(whole) == 3

    assert bundle.verify_chain(whole) == []
    assert bundle.verify_chain(whole[1:]) == []
    assert len(bundle.verify_chain([whole[0], whole[2]])) == 1


async def test_a_bundle_made_before_a_calendar_was_published_stays_equal_afterwards(court: Court) -> None:
    """The answers of the calendar travel with it: `verify` asks no calendar at all."""
    dossier = life([lesson("mon", "Mon 19:00")], kept_out(lesson("mon", "Mon 19:00")))
    made = bundle.contents(dossier, local("Tue 02:00"), court.policy, on_weekdays, {})

    assert bundle.verify(canonical({**made, "previous_sha256": None}).encode()) == []


async def test_a_bundle_names_no_other_learner(court: Court) -> None:
    shared = lesson("mon", "Mon 19:00", "u1")
    await court.judge(
        life([shared, lesson("wed", "Wed 19:00")], [*kept_out(shared), *kept_out(lesson("wed", "Wed 19:00"))])
    )

    (data,) = await chain(court)

    assert {row["learner_id"] for row in json.loads(data)["judgement"]["verdicts"]} == {"u1"}
