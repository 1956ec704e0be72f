"""Runbooks: each names what exists, has every heading, and is served as it is written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import running
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from qos_monitor.web.runbooks import Runbooks

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for page in (ROOT / "docs" / "runbooks").glob("Qos*.md"))
HEADINGS = ["What it means", "How to confirm", "What to do", "How to know it is over", "What it costs"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_has_every_heading_and_names_only_metrics_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    known = set(re.findall(r"`(qos_\w+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")))
    assert set(re.findall(r"\bqos_\w+", text)) <= known


def test_prometheus_understands_the_query_of_every_runbook(tmp_path: Path) -> None:
    rules = ["groups:", "- name: runbooks", "  rules:"]
    for page in PAGES:
        for query in re.findall(r"```promql\n(.+)\n```", page.read_text(encoding="utf-8")):
            rules += [f"  - alert: {page.stem}", f"    expr: '{query}'"]
    file = tmp_path / "rules.yml"
    file.write_text("\n".join(rules), encoding="utf-8")
    checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(PAGES)} rules found" in checked.stdout


async def test_the_index_and_every_runbook_are_served_as_written_and_an_unknown_one_is_not_found() -> None:
    app = web.Application()
    Runbooks().add_to(app)
    async with TestClient(TestServer(app)) as client:
        for page in PAGES:
            answer = await client.get(f"/runbooks/{page.stem}")
            assert await answer.read() == page.read_bytes()
        index = await (await client.get("/runbooks/")).text()
        assert all(page.stem in index for page in PAGES)
        assert (await client.get("/runbooks/QosNothing")).status == 404


async def test_every_path_that_a_runbook_names_is_one_of_the_service(tmp_path: Path) -> None:
    named = {path for page in PAGES for path in re.findall(r"`(/[a-z][\w/]*)`", page.read_text(encoding="utf-8"))}
    assert "/console/outages" in named
    async with running.running(tmp_path, {"QOS_CASES_TOKEN": "t" * 40}) as service, ClientSession() as session:
        for path in sorted(named):
            async with session.get(service.url + path) as answer:
                assert answer.status != 404, path


def test_every_command_that_a_runbook_names_is_one_of_ours() -> None:
    named = {word for page in PAGES for word in re.findall(r"`qos-monitor (\w+)", page.read_text(encoding="utf-8"))}
    assert named
    for word in sorted(named):
        asked = [sys.executable, "-m", "qos_monitor", word, "--help"]
        assert subprocess.run(asked, capture_output=True, check=False).returncode == 0, word
