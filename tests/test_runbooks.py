"""Runbooks: each is its alert's, names what exists, has every heading, and is served as it is written."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import running
import yaml
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

import alerts_page
from qos_monitor import cli, settings
from qos_monitor.web.runbooks import Runbooks

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for page in (ROOT / "docs" / "runbooks").glob("Qos*.md"))
ALERTS = {alert["alert"]: alert for alert in alerts_page.alerts()}
HEADINGS = ["What it means", "How to confirm", "What to do", "How to know it is over", "What it costs"]
A_NAME = re.compile(r"(?<![\w:])(?:[a-z_]+:)?qos_\w+(?::\w+)?")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def said(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    return re.findall(r"```promql\n(.+?)\n```", text, re.DOTALL)


def inline(text: str) -> list[str]:
    """Code within a line that is a query: it names a metric of ours, or asks for ``up``."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.+?```", "", text, flags=re.DOTALL))
    return [span for span in spans if re.search(r"(?<!\w)qos_[a-z]|\bup\{", span)]


def commands(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Commands of ours with the options they are given."""
    for words in re.findall(r"`qos-monitor ([^`]+)`", text):
        before, *options = re.split(r"(?=--)", words)
        yield re.findall(r"(?<!\S)[a-z-]+(?!\S)", before), [option.split()[0] for option in options]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {page.stem for page in PAGES} == set(ALERTS)
    assert len(ALERTS) == len(alerts_page.alerts())


@each_page
def test_a_runbook_has_every_heading_and_something_to_do_step_by_step(page: Path) -> None:
    text = said(page)

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    steps = re.findall(r"^(\d+)\. ", text.partition("## What to do")[2].partition("\n## ")[0], re.MULTILINE)
    assert len(steps) >= 4
    assert steps == [str(n + 1) for n in range(len(steps))]


@each_page
def test_the_head_and_the_first_query_of_a_runbook_are_its_alert_s(page: Path) -> None:
    alert = ALERTS[page.stem]

    assert f"\nSeverity: {alert['labels']['severity']}; for: {alert.get('for', 'at once')}\n" in said(page)
    assert blocks(said(page))[0] == alert["expr"]


@each_page
def test_what_a_runbook_asks_is_measured_or_recorded(page: Path) -> None:
    read = yaml.safe_load((ROOT / "rules" / "prometheus" / "recording.yml").read_text("utf-8"))
    recorded = {rule["record"] for group in read["groups"] for rule in group["rules"]}
    catalogue = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    told = set(re.findall(r"^\| `(qos_\w+)`", catalogue, re.MULTILINE))
    buckets = {f"{name}_bucket" for name in re.findall(r"^\| `(qos_\w+)` \| histogram", catalogue, re.MULTILINE)}

    assert set(A_NAME.findall(said(page))) <= recorded | told | buckets


def test_prometheus_understands_every_query_of_every_runbook(tmp_path: Path) -> None:
    queries = [query for page in PAGES for query in [*blocks(said(page)), *inline(said(page))]]
    rules = [{"record": f"runbook:query:{n}", "expr": query} for n, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}), encoding="utf-8")

    checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
    assert f"{len(queries)} rules found" in checked.stdout
    assert len(queries) > 3 * len(PAGES)


@each_page
def test_labels_that_a_runbook_chooses_have_such_a_value(page: Path) -> None:
    catalogue = (ROOT / "docs" / "metrics.md").read_text("utf-8").partition("## The values of labels")[2]
    known = set(re.findall(r"`(\w+)`", catalogue))
    chosen = re.findall(r'(?:age|ahead|due|fault|medium|result|state)=~?"([\w|]+)"', said(page))

    assert {value for values in chosen for value in values.split("|")} <= known


@each_page
def test_a_runbook_links_to_runbooks_and_names_files_that_there_are(page: Path) -> None:
    text = said(page)

    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (page.parent / link).is_file(), link
    for path in re.findall(r"`((?:docs|grafana|rules|collectors)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


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
    named = {path for page in PAGES for path in re.findall(r"`(/[a-z][\w/.-]*)(?:\?[^`]*)?`", said(page))}
    assert {"/console/outages", "/console/cases", "/v1/cases/all/decision"} <= named
    async with running.running(tmp_path, {"QOS_CASES_TOKEN": "t" * 40}) as service, ClientSession() as session:
        for path in sorted(named):
            async with session.get(service.url + path) as answer:
                assert answer.status != 404, path


def test_every_command_that_a_runbook_names_is_one_of_ours_with_these_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [command for page in PAGES for command in commands(said(page))]
    assert (["doctor"], []) in named
    for words, options in named:
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "--help"])
        assert ended.value.code == 0, words
        shown = capsys.readouterr().out
        assert all(option in shown for option in options), (words, options)


@each_page
def test_every_setting_that_a_runbook_names_is_one_of_ours(page: Path) -> None:
    assert set(re.findall(r"`(QOS_\w+)`", said(page))) <= {row.name for row in settings.TABLE}


def test_what_is_written_from_the_rules_is_as_it_would_be_written_anew() -> None:
    for path, text in alerts_page.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"make dashboards writes {path.name} anew"


def test_the_table_and_the_index_have_every_alert_once() -> None:
    table, index = alerts_page.PAGE.read_text("utf-8"), alerts_page.INDEX.read_text("utf-8")

    for name in ALERTS:
        assert len(re.findall(rf"^\| \[{name}\]\(runbooks/{name}\.md\) \|", table, re.MULTILINE)) == 1
        assert len(re.findall(rf"^- \[{name}\]\({name}\.md\): \w", index, re.MULTILINE)) == 1
