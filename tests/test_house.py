"""The house rules that no other tool holds: size, names, direction of imports, and papers that agree with the code."""

import ast
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from collectors import registry
from qos_monitor.metrics import page as metrics_page
from qos_monitor.settings import TABLE

ROOT = Path(__file__).parents[1]
FILE_LINES_MAX, FUNCTION_LINES_MAX = 400, 50
FORBIDDEN = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc"}


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _tracked(pattern: str = "*") -> list[Path]:
    names = _run("git", "ls-files", "--", pattern).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


SOURCES = _tracked("*.py")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def test_there_are_sources_to_check() -> None:
    assert len(SOURCES) > 40


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    lengths = {f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in _functions()}
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES_MAX} == {}


def test_no_module_or_class_has_a_name_that_says_nothing() -> None:
    names = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    classes = {
        node.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    words = {word for name in names for word in name.split("_")}
    words |= {word.lower() for name in classes for word in re.findall("[A-Z][a-z]+", name)}
    assert words & FORBIDDEN == set()


def test_imports_run_down_only_and_providers_do_not_know_each_other() -> None:
    result = _run(Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo")
    assert result.returncode == 0, result.stdout


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = re.compile(r"pytest\.(?:skip|xfail|importorskip)|mark\.(?:skip|xfail)")
    soft = [path.name for path in SOURCES if path != Path(__file__) and marks.search(path.read_text("utf-8"))]
    assert soft == []


JUDGE_A_WORLD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from rules import policy
from rules.judge import judge
from rules.span import parse_instant
from rules.world import read_world
world = read_world(json.load(sys.stdin))
judged = judge(world, parse_instant("2026-11-05T00:00:00Z"), policy.default(), lambda day: day.weekday() < 5)
print(json.dumps(judged.as_json()))
print(sorted({name.partition(".")[0] for name in sys.modules if name[0] != "_"} - sys.stdlib_module_names))
"""


def _shut_out_for_49_hours() -> dict[str, object]:
    classes = [
        {
            "id": f"c{day}",
            "course_id": "math",
            "starts_at": f"2026-11-0{day}T11:00:00Z",
            "ends_at": f"2026-11-0{day}T12:00:00Z",
            "provider": "agora",
            "teacher_id": "t1",
            "learner_ids": ["u1"],
        }
        for day in (2, 4)
    ]
    failures = [
        {
            "source": "school",
            "id": f"f{day}",
            "kind": "join_failed",
            "at": f"2026-11-0{day}T10:58:00Z",
            "class_id": f"c{day}",
            "participant_id": "u1",
            "role": "learner",
            "vantage": "server",
            "fault": "platform",
        }
        for day in (2, 4)
    ]
    enrolment = {
        "id": "e1",
        "learner_id": "u1",
        "course_id": "math",
        "starts_at": "2026-09-01T00:00:00Z",
        "price_minor": 480_000,
        "paid_minor": 480_000,
        "currency": "CNY",
        "lessons_paid": 48,
        "lessons_gift": 0,
        "lessons_used_before": 20,
        "price_refunded_minor": 0,
    }
    return {"enrolments": [enrolment], "classes": classes, "observations": failures}


def test_the_rules_judge_a_world_from_a_zip_on_a_bare_interpreter(tmp_path: Path) -> None:
    archive = tmp_path / "rules.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((ROOT / "rules").rglob("*")):
            if path.suffix in {".py", ".toml"}:
                packed.write(path, path.relative_to(ROOT))
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", JUDGE_A_WORLD, str(archive)],
        input=json.dumps(_shut_out_for_49_hours()),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    judged, strangers = result.stdout.splitlines()
    cases = [(case["kind"], case["amount_minor"]) for case in json.loads(judged)["cases"]]
    assert cases == [("refund", 280_000)]
    assert strangers == "['rules']"


def test_the_readme_lists_every_setting_as_the_code_has_it() -> None:
    rows = re.findall(r"^\| `(QOS_\w+)` \| (.*?) \| (.*) \|$", README, re.MULTILINE)
    shown = {name: (default.strip("`"), meaning) for name, default, meaning in rows}
    wanted = {s.name: (s.default or "–", s.meaning.replace("|", "\\|")) for s in TABLE}
    assert shown == wanted


def test_the_page_of_metrics_lists_every_metric_as_the_code_has_it() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert page == metrics_page.text()


def test_every_collector_has_its_facts_beside_it_and_a_step_by_step_in_the_readme() -> None:
    for provider in registry.OURS:
        facts = ROOT / "collectors" / provider / "README.md"
        assert facts.is_file(), facts
        assert f"/webhooks/{provider}" in README


def test_every_command_is_in_the_readme() -> None:
    listed = _run(sys.executable, "-m", "qos_monitor", "--help").stdout
    commands = re.findall(r"^ {4}(\w+) ", listed, re.MULTILINE)
    assert "serve" in commands
    assert [command for command in commands if f"qos-monitor {command}" not in README] == []


def test_every_decision_says_what_it_costs_and_what_enforces_it() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions
    sections = ("## Context", "## Decision", "## Consequences", "## Alternatives", "## What enforces it")
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert [section for section in sections if section not in text] == [], path.name


def test_every_file_a_paper_points_at_exists() -> None:
    pointers = [
        (paper, target)
        for paper in _tracked("*.md")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", paper.read_text(encoding="utf-8"))
    ]
    assert [pointer for pointer in pointers if not (pointer[0].parent / pointer[1]).exists()] == []


ASK_PIP = "from pip._internal.models.index import PyPI; print(PyPI.url, 'https://' + PyPI.file_storage_domain)"


def test_no_file_names_the_host_of_a_package_registry() -> None:
    """The hosts are asked of pip, for this file would be the first to name one."""
    told = _run(sys.executable, "-c", ASK_PIP).stdout + _run(sys.executable, "-m", "pip", "config", "list").stdout
    hosts = set(re.findall(r"https?://([\w.-]+)", told))
    assert hosts
    found = {f"{path.relative_to(ROOT)}" for path in _tracked() for host in hosts if host.encode() in path.read_bytes()}
    assert found == set()
