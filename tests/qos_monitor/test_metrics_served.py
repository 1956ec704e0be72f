"""A running service that had traffic serves every metric that is declared, under closed labels, and nothing else."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from running import Running, running
from service_parts import MONDAY, TOKEN, enrolment

from qos_monitor import clock
from qos_monitor.metrics.labels import CLOSED, PER_METRIC
from qos_monitor.metrics.metric import DATABASE, PROCESS
from qos_monitor.telemetry import METRICS
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, format_instant

WEDNESDAY = MONDAY + 2 * DAY
ON_DEMAND = {"qos_status_page_looks_total", "qos_declared_incidents"}
"""Told where status pages are watched; there is none here (`test_status_pages.py` has some)."""


def roster() -> dict[str, object]:
    """Two learners with a class of an hour on Monday and on Wednesday."""
    classes = [
        {
            "id": name,
            "course_id": "math",
            "starts_at": format_instant(at),
            "ends_at": format_instant(at + HOUR),
            "provider": "agora",
            "room_id": name,
            "teacher_id": "t1",
            "learner_ids": ["u1", "u2"],
            "cancelled": None,
        }
        for name, at in (("mon", MONDAY), ("wed", WEDNESDAY))
    ]
    courses = [{"id": "math", "title": "Math", "visual_essential": False}]
    return {"courses": courses, "enrolments": [enrolment(f"e-{who}", who) for who in ("u1", "u2")], "classes": classes}


def line(kind: str, class_id: str, who: str, at: Instant, **more: object) -> str:
    seen = {"source": "backend", "id": f"{kind}{class_id}{who}{at}", "kind": kind, "at": format_instant(at)}
    seen |= {"class_id": class_id, "participant_id": who, "role": "learner", "vantage": "server"}
    domains = {"provider": "agora", "node": "bj-7", "client": "web-4", "network": "cm-gd"}
    return json.dumps(seen | {"domains": domains} | more)


def evidence() -> str:
    """u1 cannot come in at all; u2 can on Monday, though not well."""
    lines = [
        line("join_failed", name, who, at, fault="platform", blames="provider")
        for name, who, at in (("mon", "u1", MONDAY), ("wed", "u1", WEDNESDAY), ("wed", "u2", WEDNESDAY))
    ]
    lines += [line("attempted", "mon", "u2", MONDAY), line("joined", "mon", "u2", MONDAY + 2 * SECOND, session="s")]
    metrics = {"audio_frozen": 0.05, "video_frozen": 0.0, "av_offset_ms": 120.0}
    until = format_instant(MONDAY + HOUR)
    lines.append(line("quality", "mon", "u2", MONDAY + 2 * SECOND, until=until, metrics=metrics))
    return "\n".join(lines)


async def scrape(client: aiohttp.ClientSession, of: str = "") -> dict[str, Metric]:
    async with client.get(f"/metrics{of}") as answer:
        assert answer.status == 200
        return {family.name: family for family in text_string_to_metric_families(await answer.text())}


def told(families: Mapping[str, Metric]) -> set[str]:
    """Name the declared metrics that have a sample."""
    names = {sample.name for family in families.values() for sample in family.samples}
    return {metric.name for metric in METRICS if set(metric.series_names) & names}


async def until(client: aiohttp.ClientSession, name: str, least: float) -> dict[str, Metric]:
    """Scrape until all samples of this series together reach so much."""
    async with asyncio.timeout(60):
        while True:
            families = await scrape(client)
            samples = [one for family in families.values() for one in family.samples if one.name == name]
            if sum(one.value for one in samples) >= least:
                return families
            await asyncio.sleep(0.05)


async def play(client: aiohttp.ClientSession, clock_file: Path) -> tuple[dict[str, Metric], dict[str, Metric]]:
    """Live through both classes; give what is told in the second one, and when all of it is firm."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with client.put("/v1/roster", json=roster(), headers=headers) as answer:
        assert answer.status == 200, await answer.text()
    clock.drive(clock_file, WEDNESDAY + 10 * MINUTE)
    async with client.post("/v1/observations", data=evidence(), headers=headers) as answer:
        assert answer.status == 202, await answer.text()
    async with client.post("/webhooks/agora", data=b"{}") as answer:
        assert answer.status == 401
    during = await until(client, "qos_learners_now", 2)
    clock.drive(clock_file, WEDNESDAY + 8 * HOUR)
    await until(client, "qos_firm_verdicts_total", 4)
    await until(client, "qos_open_outage_money", 1)
    return during, await until(client, "qos_filed_money_total", 1)


def check(families: Mapping[str, Metric]) -> None:
    """Hold every sample of ours against its declaration: its labels, and the values of those that are closed."""
    declared = {name: metric for metric in METRICS for name in metric.series_names}
    for sample in (one for family in families.values() for one in family.samples if one.name.startswith("qos_")):
        metric = declared[sample.name]
        assert set(sample.labels) - {"le"} == set(metric.labels), sample
        for name, value in sample.labels.items():
            closed = PER_METRIC.get((metric.name, name), CLOSED.get(name))
            assert closed is None or value in closed, sample


async def test_every_metric_declared_is_served_after_traffic_and_no_other(tmp_path: Path) -> None:
    clock_file = tmp_path / "clock"
    clock.drive(clock_file, MONDAY - DAY)
    environ = {
        "QOS_CLOCK_FILE": str(clock_file),
        "QOS_AGORA_SECRETS": "an-agora-secret",
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_ROSTER_TOKEN": TOKEN,
        "QOS_TICK_S": "0.05",
    }
    async with running(tmp_path, environ) as service, aiohttp.ClientSession(service.url) as client:
        during, after = await play(client, clock_file)
        process, database = await scrape(client, "?from=process"), await scrape(client, "?from=database")
        async with client.get("/metrics?from=elsewhere") as answer:
            assert answer.status == 400
        await service.terminate()

    assert {metric.name for metric in METRICS} - told(during) - told(after) == ON_DEMAND
    for families in (during, after, process, database):
        check(families)
    kept = {metric.name: metric.kept for metric in METRICS}
    assert {kept[name] for name in told(process)} == {PROCESS}
    assert {kept[name] for name in told(database)} == {DATABASE}
    assert "process_cpu_seconds" in process
    assert "process_cpu_seconds" not in database


async def test_what_was_counted_outlives_a_restart(tmp_path: Path) -> None:
    clock_file = tmp_path / "clock"
    clock.drive(clock_file, MONDAY - DAY)
    environ = {"QOS_CLOCK_FILE": str(clock_file), "QOS_OBSERVATIONS_TOKEN": TOKEN, "QOS_ROSTER_TOKEN": TOKEN}
    environ |= {"QOS_AGORA_SECRETS": "an-agora-secret", "QOS_TICK_S": "0.05"}

    async def owed(service: Running) -> float:
        async with aiohttp.ClientSession(service.url) as client:
            found = await until(client, "qos_owed_learner_seconds_total", 1)
        return sum(sample.value for sample in found["qos_owed_learner_seconds"].samples)

    async with running(tmp_path, environ) as first:
        async with aiohttp.ClientSession(first.url) as client:
            await play(client, clock_file)
        before = await owed(first)
        await first.kill()
    async with running(tmp_path, environ) as second:
        assert await owed(second) == before == 4 * HOUR / SECOND
        await second.terminate()
