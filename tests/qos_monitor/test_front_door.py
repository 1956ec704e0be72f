"""The service, fed a world through its front door, comes to what `qos-monitor judge` prints of the same world."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from database import Database
from rules_school import crowd, dropped, enrolment, kept_out, lesson, local, present, received, school, seen
from running import running

from qos_monitor import clock, from_settings
from qos_monitor.errors import SettingsError
from rules import policy as policies
from rules.span import HOUR, Instant, format_instant
from rules.world import World

TOKEN = "a-token-for-the-front-door"
ENVIRON = {"QOS_OBSERVATIONS_TOKEN": TOKEN, "QOS_ROSTER_TOKEN": TOKEN, "QOS_CASES_TOKEN": TOKEN}
BEARER = {"Authorization": f"Bearer {TOKEN}"}

BJ_7 = {"provider": "agora", "node": "bj-7"}
MONDAY = lesson("mon", "Mon 19:00", "owed", "away", "client-only")
WEDNESDAY = lesson("wed", "Wed 19:00", "owed", "away", "client-only")
THURSDAY = lesson("thu", "Thu 19:00", "dropped", "teacherless", teacher="t2")
FRIDAY = lesson("fri", "Fri 19:00", "degraded", "absent")


def world() -> World:
    """Make a school week with an owed outage, a review, a teacher kept out, a bad node, a no-show and a late report."""
    nodes = crowd("Mon 19:00", 24, 9, BJ_7, name="bj") + crowd(
        "Mon 19:00", 30, 0, {"provider": "agora", "node": "sh-1"}
    )
    told = [
        *kept_out(MONDAY, "owed"),
        *kept_out(WEDNESDAY, "owed"),
        *present(MONDAY, "away"),
        *kept_out(WEDNESDAY, "away", fault="learner"),
        *kept_out(MONDAY, "client-only", vantage="client"),
        *kept_out(WEDNESDAY, "client-only", vantage="client"),
        *dropped(THURSDAY, "Thu 19:20", "dropped"),
        *present(THURSDAY, "teacherless"),
        seen("attempted", "Thu 19:00", THURSDAY, "t2", role="teacher"),
        *present(FRIDAY, "degraded"),
        received(FRIDAY, {"audio_frozen": 0.4}, "Fri 19:10", "Fri 19:35", "degraded"),
        received(FRIDAY, {"audio_frozen": 0.0}, "Fri 19:35", "Fri 20:00", "degraded"),
        seen("check_failed", "Sat 10:00", None, "owed", fault="platform"),
        *nodes.observations,
    ]
    people = ("owed", "away", "client-only", "dropped", "teacherless", "degraded", "absent")
    bought = [enrolment(f"e-{who}", who, price=199_900, lessons=30, used=11) for who in people]
    return school([MONDAY, WEDNESDAY, THURSDAY, FRIDAY, *nodes.classes], told, enrolments=bought)


AS_OF: Instant = local("Sat 10:00") + 7 * HOUR


async def judged_by_the_command(given: dict[str, object], folder: Path) -> dict[str, Any]:
    """Ask `qos-monitor judge`."""
    file = folder / "world.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    command = (sys.executable, "-m", "qos_monitor", "judge", str(file), "--as-of", format_instant(AS_OF))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(printed)
    return answer


async def settled(client: aiohttp.ClientSession) -> None:
    """Wait until everything told was read and everything due was judged."""
    idle = 0
    async with asyncio.timeout(60):
        while idle < 5:
            await asyncio.sleep(0.3)
            async with client.get("/metrics") as answer:
                lines = (await answer.text()).splitlines()
            values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
            names = ("qos_deliveries_waiting", "qos_judging_lag_seconds")
            idle = idle + 1 if all(float(values[name]) == 0 for name in names) else 0


async def tell(client: aiohttp.ClientSession, given: dict[str, Any]) -> None:
    """Put the roster, and post the observations in three parts, the last first and one of them twice."""
    roster = {name: rows for name, rows in given.items() if name != "observations"}
    async with client.put("/v1/roster", json=roster, headers=BEARER) as answer:
        assert answer.status == 200, await answer.text()
    lines = [json.dumps(line) for line in given["observations"]]
    third = len(lines) // 3
    for part in (lines[2 * third :], lines[:third], lines[third : 2 * third], lines[:third]):
        body = "\n".join(part).encode()
        async with client.post("/v1/observations", data=body, headers=BEARER) as answer:
            assert answer.status in (200, 202), await answer.text()


async def kept(database: Database, what: str) -> list[dict[str, Any]]:
    return [json.loads(str(body)) for (body,) in await database.rows(what)]


async def cases(client: aiohttp.ClientSession) -> dict[str, tuple[object, ...]]:
    """Read every case through the API."""
    found: dict[str, tuple[object, ...]] = {}
    async with client.get("/v1/cases", params={"limit": "200"}, headers=BEARER) as answer:
        page = await answer.json()
    for case in page["cases"]:
        found[case["case_key"]] = (case["kind"], case["tier"], case["amount_minor"], case["currency"])
    return found


async def test_the_front_door_and_the_command_come_to_the_same(tmp_path: Path, database: Database) -> None:
    given: dict[str, Any] = world().as_json()
    for line in given["observations"]:
        line["recorded_at"] = line["until"] or line["at"]
    told = await judged_by_the_command(given, tmp_path)
    clock_file = tmp_path / "clock"
    clock.drive(clock_file, MONDAY.starts_at)

    async with (
        running(tmp_path, ENVIRON | {"QOS_CLOCK_FILE": str(clock_file), "QOS_DATABASE_URL": database.url}) as service,
        aiohttp.ClientSession(service.url) as client,
    ):
        await tell(client, given)
        await settled(client)
        clock.drive(clock_file, AS_OF)
        await settled(client)
        filed = await cases(client)
        await service.terminate()

    names = ("learner_id", "class_id", "verdict", "by", "grade", "domain", "why")
    verdicts = await kept(database, "SELECT body FROM verdicts WHERE current")
    assert {tuple(row[name] for name in names) for row in verdicts} == {
        tuple(row[name] for name in names) for row in told["verdicts"]
    }
    assert len(told["verdicts"]) == len(verdicts) > 60
    outages = await kept(database, "SELECT body FROM outages ORDER BY learner_id, starts_at")
    assert outages == told["outages"]
    assert filed == {
        case["case_key"]: (case["kind"], case["tier"], case["amount_minor"], case["currency"]) for case in told["cases"]
    }
    assert {case["kind"] for case in told["cases"]} == {"refund", "review", "compensation"}


def test_a_policy_with_windows_of_another_length_is_judged_with_but_not_served(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    shipped = Path(policies.__file__).with_name("policy.toml").read_text(encoding="utf-8")
    file.write_text(shipped.replace("window_min = 30", "window_min = 60"), encoding="utf-8")

    assert from_settings.policy_of(file).attribution.window_min == 60
    with pytest.raises(SettingsError, match=r"attribution\.window_min: 60 was given; 30 is wanted"):
        from_settings.served_policy(file)
