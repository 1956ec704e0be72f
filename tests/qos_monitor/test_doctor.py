"""The doctor finds each thing that is wrong, says so in one line, and says what to do."""

import asyncio
import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from claim_parts import FILED, Court, dark_life
from rules_school import on_weekdays
from service_parts import row
from sqlalchemy import Table, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import settings
from qos_monitor.cli import main
from qos_monitor.doctor import ground, visit
from qos_monitor.doctor.finding import Finding
from qos_monitor.storage import engine as storage
from qos_monitor.storage.process_tables import leases
from qos_monitor.storage.tables import WAITING, bundles, claims, deliveries, learners, polls, windows
from rules.deadline import UnpublishedYear
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant

NOW: Instant = parse_instant("2026-06-01T00:00:00Z")
GIVEN = {
    "QOS_AGORA_SECRETS": "a-secret-of-agora",
    "QOS_CLAIMS_URL": "https://refunds.school.example/claims",
    "QOS_CLAIMS_SECRETS": "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}


async def visited(engine: AsyncEngine, now: Instant = NOW, **given: str) -> dict[str, Finding]:
    """Have the doctor look; give what was found by part."""
    url = {"QOS_DATABASE_URL": engine.url.render_as_string(hide_password=False)}
    chosen = settings.load({**GIVEN, **url, **given})
    return {one.part: one for one in await visit.findings(chosen, now, _published)}


def _published(day: date) -> bool:
    if day.year > 2027:
        raise UnpublishedYear(day.year)
    return on_weekdays(day)


async def put(engine: AsyncEngine, table: Table, **values: object) -> None:
    async with storage.writing(engine) as conn:
        await conn.execute(table.insert(), [row(table, **values)])


async def test_a_house_in_order_is_all_ok(engine: AsyncEngine) -> None:
    await Court(engine).enrol(dark_life())

    found = await visited(engine)

    found.pop("clock")  # of PostgreSQL it is the machine's, which is not NOW
    assert {part: str(one) for part, one in found.items() if one.level != "ok"} == {}
    assert {"settings", "schema", "size", "deliveries", "judging", "leases", "outbox", "polls", "evidence chain",
            "audit trail", "calendar"} <= found.keys()  # fmt: skip


@pytest.mark.parametrize(("waits", "level"), [(59 * SECOND, "ok"), (MINUTE, "warn"), (15 * MINUTE, "fail")])
async def test_deliveries_that_nobody_reads(engine: AsyncEngine, waits: int, level: str) -> None:
    await put(engine, deliveries, provider="agora", received_at=NOW - waits, state=WAITING)

    assert (await visited(engine))["deliveries"].level == level


async def test_deliveries_of_a_provider_that_is_no_longer_set(engine: AsyncEngine) -> None:
    await put(engine, deliveries, provider="zoom", received_at=NOW - DAY, state=WAITING)

    found = await visited(engine)

    assert found["deliveries"].level == "ok"
    assert str(found["deliveries of others"]).startswith("warn deliveries of others: 1 of zoom wait for a provider")


@pytest.mark.parametrize(("waits", "level"), [(MINUTE, "ok"), (5 * MINUTE, "warn"), (HOUR, "fail")])
async def test_judging_that_lags(engine: AsyncEngine, waits: int, level: str) -> None:
    await put(engine, windows, window=1, due_at=NOW - waits)
    await put(engine, learners, id="u1", look_again_at=NOW - SECOND)

    found = (await visited(engine))["judging"]

    assert found.level == level
    assert found.words.startswith("1 windows and 1 learners are due")
    assert "u1" not in str(found)


async def test_leases_that_ended_and_nobody_took_up(engine: AsyncEngine) -> None:
    await put(engine, leases, name="judge", until=NOW - HOUR)
    await put(engine, windows, window=1, due_at=None, lease_until=NOW - HOUR)
    await put(engine, claims, claim_key="k", state="ready", lease_until=NOW - HOUR)

    found = (await visited(engine))["leases"]

    assert (found.level, found.words) == (
        "warn",
        "ended long ago and taken up by nobody: 1 windows, 1 claims, job judge",
    )


@pytest.mark.parametrize(("waits", "level"), [(MINUTE, "ok"), (HOUR, "warn"), (DAY, "fail")])
async def test_claims_that_do_not_get_away(engine: AsyncEngine, waits: int, level: str) -> None:
    await put(engine, claims, claim_key="k", state="ready", ready_at=NOW - waits)

    assert (await visited(engine))["outbox"].level == level


@pytest.mark.parametrize(
    ("state", "level"), [("parked", "warn"), ("failed", "warn"), ("rejected", "warn"), ("stopped", "fail")]
)
async def test_claims_that_want_a_person(engine: AsyncEngine, state: str, level: str) -> None:
    await put(engine, claims, claim_key="k", state=state)

    assert (await visited(engine))[f"claims {state}"].level == level


async def test_polls_that_are_lost(engine: AsyncEngine) -> None:
    await put(engine, polls, provider="agora", class_id="c", state="lost", due_at=NOW - DAY)
    await put(engine, polls, provider="agora", class_id="d", state="lost", due_at=NOW - 31 * DAY)

    found = (await visited(engine))["polls"]

    assert (found.level, found.words) == ("warn", "statistics lost in 30 days: classes 1 of agora")


@pytest.mark.parametrize(
    "change",
    [{"body": '{"previous_sha256":null}'}, {"previous_sha256": "0" * 64}, {"sha256": "1" * 64}],
)
async def test_a_chain_of_evidence_that_somebody_changed(engine: AsyncEngine, change: Mapping[str, Any]) -> None:
    made = Court(engine)
    await made.enrol(dark_life())
    await made.observe(dark_life().observations, FILED)
    assert (await visited(engine))["evidence chain"].words == "1 bundles, each follows the one before"

    async with storage.writing(engine) as conn:
        await conn.execute(update(bundles).values(**change))

    found = (await visited(engine))["evidence chain"]
    assert (found.level, found.words[:19]) == ("fail", "broken at bundle 1 ")


async def test_a_trail_that_somebody_changed(embedded: AsyncEngine) -> None:
    async with storage.writing(embedded) as conn:
        said = "INSERT INTO audit (at, actor, via, action, about, reason, sha256) VALUES (1,'a','b','c','d','e','f')"
        await conn.execute(text(said))

    assert (await visited(embedded))["audit trail"].level == "fail"


async def test_a_database_that_fills_up(engine: AsyncEngine) -> None:
    assert (await visited(engine, QOS_DATABASE_BYTES_MAX="1000"))["size"].level == "fail"
    assert (await visited(engine, QOS_DATABASE_BYTES_MAX=str(10**12)))["size"].level == "ok"


async def test_a_disk_without_room_for_the_journal(embedded: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "ROOM_FAIL", 2**62)

    found = (await visited(embedded))["size"]

    assert found.level == "fail"
    assert found.words.endswith(" MB free on its disk")


async def test_a_delivery_from_the_future(engine: AsyncEngine) -> None:
    await put(engine, deliveries, provider="agora", received_at=NOW + 2 * HOUR, state=1)

    found = (await visited(engine))["clock"]

    assert (found.level, found.words) == ("fail", "the last delivery is 2 h from now")


async def test_a_clock_that_is_not_the_servers(engine: AsyncEngine) -> None:
    if engine.dialect.name == "postgresql":
        assert (await visited(engine))["clock"].level == "fail"
    else:
        assert (await visited(engine))["clock"].level == "ok"


@pytest.mark.parametrize(
    ("now", "level"),
    [("2027-10-01T00:00:00Z", "ok"), ("2027-12-01T00:00:00Z", "warn"), ("2028-01-02T00:00:00Z", "fail")],
)
async def test_a_calendar_that_ends(embedded: AsyncEngine, now: str, level: str) -> None:
    assert (await visited(embedded, parse_instant(now)))["calendar"].level == level


async def test_settings_that_are_missing(embedded: AsyncEngine) -> None:
    url = f"sqlite+aiosqlite:///{storage.file_of(embedded)}"
    found = await visit.findings(settings.load({"QOS_DATABASE_URL": url}), NOW)

    assert "fail settings, claims, where to: set QOS_CLAIMS_URL" in {str(one).partition(". ")[0] for one in found}


async def test_a_schema_of_another_version(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    older = (await visited(engine))["schema"]
    async with storage.writing(engine) as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer = (await visited(engine))["schema"]
    async with storage.writing(engine) as conn:
        await conn.execute(text("DELETE FROM alembic_version"))
    none = (await visited(engine))["schema"]
    async with storage.writing(engine) as conn:
        head = ScriptDirectory.from_config(storage.migrations()).get_current_head()
        await conn.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})

    assert (older.level, newer.level, none.level) == ("warn", "warn", "fail")


async def test_tables_that_are_missing_do_not_hide_the_rest(embedded: AsyncEngine) -> None:
    async with storage.writing(embedded) as conn:
        await conn.execute(text("DROP TABLE polls"))

    found = await visited(embedded)

    assert (found["polls"].level, found["polls"].words) == ("fail", "could not be looked at (OperationalError)")
    assert found["evidence chain"].level == "ok"


async def test_the_command_tells_lines_or_json_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/none.sqlite3")

    assert await asyncio.to_thread(main, ["doctor"]) == 1
    assert "fail database: there is none yet. Start the service once; it makes it" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["doctor", "--json"]) == 1
    assert {"part", "level", "words", "advice"} == set(json.loads(capsys.readouterr().out)["findings"][0])
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_settings_that_cannot_be_used_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QOS_PORT", "many")

    assert await asyncio.to_thread(main, ["doctor"]) == 1
    assert capsys.readouterr().out.startswith("fail settings: QOS_PORT: 'many' was given")


async def test_all_is_well_is_exit_code_0(
    embedded: AsyncEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{storage.file_of(embedded)}")

    code = await asyncio.to_thread(main, ["doctor"])

    assert (code, "fail" in capsys.readouterr().out) == (0, False)
