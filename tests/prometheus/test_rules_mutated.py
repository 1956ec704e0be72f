"""Every threshold, window, label and clause of every rule is held by a case: change one, and promtool says so."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import rule_mutations
import yaml

FOLDER = Path(__file__).parents[2] / "rules" / "prometheus"


class Trial(NamedTuple):
    """One rule as it is or changed, and the files of cases it is put to, the shortest first."""

    rule: str
    change: str
    files: list[Path]


def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return found


def _rules(name: str) -> list[rule_mutations.Rule]:
    return [rule for group in _load(FOLDER / name)["groups"] for rule in group["rules"]]


RECORDED = _rules("recording.yml")
ALERTS = _rules("alerts.yml")
CASES = [_load(path) for path in sorted((FOLDER / "tests").glob("*.yml"))]


def _needed(expr: str) -> list[rule_mutations.Rule]:
    """Find the recorded series an expression asks for, and those that these ask for, in their order."""
    asked = [rule for rule in RECORDED if rule["record"] in expr]
    names = {rule["record"] for rule in asked}
    for rule in asked:
        names |= {other["record"] for other in _needed(rule["expr"])}
    return [rule for rule in RECORDED if rule["record"] in names]


def _cases(kind: str, name: str) -> list[dict[str, Any]]:
    """Take the cases of one alert, or those of a recorded series, one test to a file: what is quick comes first."""
    key, named = ("alert_rule_test", "alertname") if kind == "alert" else ("promql_expr_test", "expr")
    found: list[tuple[float, int, dict[str, Any]]] = []
    for file in CASES:
        tick_s = _seconds(file["evaluation_interval"])
        for test in file["tests"]:
            asked = [one for one in test.get(key, []) if one[named] == name]
            if asked:
                ticks = max(_seconds(one["eval_time"]) for one in asked) / tick_s
                rest = {word: test[word] for word in ("interval", "input_series")}
                one = {"evaluation_interval": file["evaluation_interval"], "tests": [{**rest, key: asked}]}
                found.append((ticks, len(found), one))
    return [one for _, _, one in sorted(found, key=lambda each: each[:2])]


def _seconds(text: str) -> int:
    return sum(rule_mutations.seconds(part) for part in re.findall(r"\d+[smhd]", text))


def _written(folder: Path, kind: str, rule: rule_mutations.Rule) -> Iterator[Trial]:
    """Write the rule as it is and every mutant, each with its cases."""
    name = rule[kind]
    cases = _cases(kind, name)
    for at, (change, tried) in enumerate([("as it is", rule), *rule_mutations.mutants(rule)]):
        needed = [other for other in _needed(tried["expr"]) if other["record"] != name]
        file = folder / f"{name.replace(':', '_')}.{at}.yml"
        _dump(file, {"groups": [{"name": "tried", "rules": [*needed, tried]}]})
        asks = [file.with_suffix(f".{part}.test") for part in range(len(cases))]
        for ask, case in zip(asks, cases, strict=True):
            _dump(ask, {"rule_files": [file.name], **case})
        yield Trial(name, change, asks)


def _dump(file: Path, what: dict[str, Any]) -> None:
    file.write_text(yaml.dump(what, Dumper=yaml.CSafeDumper), encoding="utf-8")


def _passed(files: Iterable[Path]) -> set[Path]:
    """Run promtool on many files of cases at once, one process for each core, and answer those that pass."""
    every = sorted(files)
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        told = "".join(pool.map(_told, [every[core::cores] for core in range(cores)]))
    return {Path(name) for name in re.findall(r"^Unit Testing:  (\S+)\n  SUCCESS$", told, re.MULTILINE)}


def _told(files: list[Path]) -> str:
    run = subprocess.run(["promtool", "test", "rules", *files], capture_output=True, text=True, check=False)
    return run.stdout


def _survivors(folder: Path, kind: str, rules: list[rule_mutations.Rule]) -> set[tuple[str, str]]:
    """Tell which rules, as they are or changed, pass all their cases; who failed one is not put to the next."""
    left = [trial for rule in rules for trial in _written(folder, kind, rule)]
    checked = subprocess.run(
        ["promtool", "check", "rules", *folder.glob("*.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    for at in range(max(len(trial.files) for trial in left)):
        passed = _passed(trial.files[at] for trial in left if at < len(trial.files))
        left = [trial for trial in left if at >= len(trial.files) or trial.files[at] in passed]
    return {(trial.rule, trial.change) for trial in left}


@pytest.mark.parametrize(("kind", "rules"), [("alert", ALERTS), ("record", RECORDED)], ids=["alerts", "recordings"])
def test_a_rule_passes_its_cases_and_no_changed_rule_does(
    tmp_path: Path, kind: str, rules: list[rule_mutations.Rule]
) -> None:
    assert _survivors(tmp_path, kind, rules) == {(rule[kind], "as it is") for rule in rules}


def test_every_file_of_cases_is_of_the_rules_as_they_are_shipped_and_works_their_groups_out_in_order() -> None:
    groups = [group["name"] for name in ("recording.yml", "alerts.yml") for group in _load(FOLDER / name)["groups"]]

    for case in CASES:
        assert case["rule_files"] == ["../recording.yml", "../alerts.yml"]
        assert case["group_eval_order"] == groups
