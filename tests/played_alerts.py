"""The rules over a recorded past: each is asked for at every step, alerts with their `for`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prometheus_lab as lab
import yaml

RULES = Path(__file__).parents[1] / "rules" / "prometheus"
STEP_S = 60
"""How often an alert is looked at, as Prometheus does unless it is told otherwise."""
_POINTS_MAX = 10_000
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that fired, from and until when (seconds since 1970)."""

    name: str
    severity: str
    labels: Mapping[str, str]
    from_s: float
    until_s: float

    def __str__(self) -> str:
        """Word it as the expectations do: the name, and the values of its labels in their order."""
        told = [value for name, value in sorted(self.labels.items()) if name not in ("__name__", "instance", "job")]
        return " ".join([self.name, *told])


def rules(file: str) -> list[dict[str, Any]]:
    """Read the rules of one file."""
    read = yaml.safe_load((RULES / file).read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def seconds(duration: str) -> int:
    """Read a duration of Prometheus, such as ``1h30m``."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


def record(server: lab.Prometheus, layer: Sequence[Mapping[str, Any]], span: tuple[float, float], file: Path) -> None:
    """Write what these recording rules give at each step between two instants, as OpenMetrics text."""
    lines = []
    for rule in layer:
        for labels, points in _asked(server, rule["expr"], *span):
            told = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
            lines += [f"{rule['record']}{{{told}}} {value} {at:.3f}" for at, value in points]
    file.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")


def record_alerts(fired: Iterable[Firing], file: Path) -> None:
    """Write the series that Prometheus itself keeps of alerts that fire, as OpenMetrics text."""
    lines = []
    for one in fired:
        given = {**one.labels, "alertname": one.name, "severity": one.severity, "alertstate": "firing"}
        told = ",".join(f'{name}="{value}"' for name, value in sorted(given.items()) if name != "__name__")
        lines += [f"ALERTS{{{told}}} 1 {at}" for at in range(int(one.from_s), int(one.until_s), STEP_S)]
    file.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")


def layers() -> list[list[dict[str, Any]]]:
    """Sort the recording rules into those that ask for no other, and those that ask for these."""
    recording = rules("recording.yml")
    names = [rule["record"] for rule in recording]
    second = [rule for rule in recording if any(name in rule["expr"] for name in names)]
    return [[rule for rule in recording if rule not in second], second]


def firings(server: lab.Prometheus, start_s: float, end_s: float) -> Iterator[Firing]:
    """Give every alert that fires between two instants, with each of its times."""
    for rule in rules("alerts.yml"):
        for_s = seconds(rule.get("for", "0s"))
        for labels, points in _asked(server, rule["expr"], start_s, end_s):
            for first, last in _runs([at for at, _ in points]):
                if last - first >= for_s:
                    yield Firing(rule["alert"], rule["labels"]["severity"], labels, first + for_s, last + STEP_S)


def _asked(
    server: lab.Prometheus, expression: str, start_s: float, end_s: float
) -> list[tuple[Mapping[str, str], list[tuple[float, float]]]]:
    """Ask for every step, in as many questions as the server's limit of points wants."""
    found: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    at = start_s
    while at < end_s:
        until = min(at + (_POINTS_MAX - 1) * STEP_S, end_s)
        for labels, points in server.query_range(expression, at, until, STEP_S):
            found.setdefault(frozenset(labels.items()), []).extend(points)
        at = until + STEP_S
    return [(dict(labels), points) for labels, points in found.items()]


def _runs(times: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Cut into stretches without a gap."""
    first = last = times[0]
    for at in times[1:]:
        if at - last > STEP_S:
            yield first, last
            first = at
        last = at
    yield first, last
