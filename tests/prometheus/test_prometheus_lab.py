"""The lab itself: a past made of text is answered, and what is wrong is said in words."""

import time
from pathlib import Path

import prometheus_lab as lab
import pytest

NODES = {"a", "b"}
STEP_S = 60


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Ten minutes of a counter on two nodes, rising by one a second; answers the folder and the end."""
    folder = tmp_path_factory.mktemp("lab")
    end_s = int(time.time()) - STEP_S
    lines = ["# TYPE joins counter"]
    for node in sorted(NODES):
        ages = range(600, -1, -STEP_S)
        lines += [f'joins_total{{node="{node}"}} {600 - age} {end_s - age}' for age in ages]
    text = folder / "past.txt"
    text.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    lab.make_blocks(folder, text)
    return folder, end_s


def test_a_past_made_of_text_is_answered_at_once(filled: tuple[Path, int]) -> None:
    folder, end_s = filled
    with lab.prometheus(folder) as server:
        rates = server.query("rate(joins_total[5m])", end_s)
        assert {labels["node"]: round(points[0][1], 3) for labels, points in rates} == dict.fromkeys(NODES, 1.0)
        (_, points), *_ = server.query_range("joins_total", end_s - 300, end_s, STEP_S)
        assert len(points) == 6
        assert set(server.label_values("node", "joins_total", end_s - 600, end_s)) == NODES
        assert server.firing() == []


def test_a_query_that_is_none_is_refused_in_words(filled: tuple[Path, int]) -> None:
    folder, end_s = filled
    with lab.prometheus(folder) as server, pytest.raises(RuntimeError, match="parse error"):
        server.query("sum(", end_s)


def test_text_that_is_no_openmetrics_makes_no_past(tmp_path: Path) -> None:
    text = tmp_path / "past.txt"
    text.write_text("no metrics\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="promtool refused"):
        lab.make_blocks(tmp_path, text)


def test_a_missing_program_is_named_with_what_to_install() -> None:
    with pytest.raises(RuntimeError, match="apt-get install prometheus prometheus-alertmanager"):
        lab.program("prometheus-of-nowhere")


def test_an_alertmanager_of_the_test_answers(tmp_path: Path) -> None:
    config = "route: {receiver: none}\nreceivers: [{name: none}]\n"
    with lab.alertmanager(tmp_path, config) as server:
        assert server.get("/api/v2/alerts") == []
