"""Small changes to a rule of Prometheus, each of which a test of the rule must notice."""

import re
from collections.abc import Iterator
from typing import Any

Rule = dict[str, Any]
Mutant = tuple[str, Rule]
"""What was changed, in words, and the rule with the change."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FLIPS = {">": (">=", "<"), ">=": (">", "<"), "<": ("<=", ">"), "==": ("!=",)}
_SWAPS = {
    "sum": ("max", "min"),
    "max": ("sum", "min"),
    "increase": ("rate", "delta"),
    "sum_over_time": ("avg_over_time", "max_over_time"),
    "max_over_time": ("avg_over_time", "min_over_time", "sum_over_time"),
}
_SEVERITIES = ("page", "ticket", "info")
_NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.:])")
_NO_FOR_S = 30


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Change one thing of a rule at a time; a changed expression is one that Prometheus can still read."""
    for words, expr in _expressions(rule["expr"]):
        yield words, {**rule, "expr": expr}
    if "alert" in rule:
        yield from _waits(rule)
        for severity in _SEVERITIES:
            if severity != rule["labels"]["severity"]:
                yield f"severity {severity}", {**rule, "labels": {"severity": severity}}


def seconds(duration: str) -> int:
    """Read a duration of one number and one unit, such as ``15m``."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def _waits(rule: Rule) -> Iterator[Mutant]:
    lasts_s = seconds(rule["for"]) if "for" in rule else 0
    others = {lasts_s // 2, lasts_s * 3 // 2, 0} - {lasts_s} if lasts_s else {_NO_FOR_S}
    for other in sorted(others):
        yield f"for {other}s", {**rule, "for": f"{other}s"}


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    for change in (_numbers, _windows, _comparisons, _functions, _groupings, _matchers, _clauses):
        yield from change(expr)


def _put(expr: str, found: re.Match[str], new: str, group: int = 0) -> tuple[str, str]:
    start, end = found.span(group)
    return f"{expr[start:end]} at {start} becomes {new}".strip(), expr[:start] + new + expr[end:]


def _numbers(expr: str) -> Iterator[tuple[str, str]]:
    """One more and one less of a whole number up to 1000; one per cent more and less of any other."""
    hidden = re.sub(r'"[^"]*"|\[[^\]]*\]', lambda found: "_" * len(found[0]), expr)
    for found in _NUMBER.finditer(hidden):
        number = float(found[0])
        is_count = number.is_integer() and number <= 1000
        step = 1.0 if is_count else number / 100
        for new in (number - step, number + step):
            yield _put(expr, found, f"{new:.10g}")


def _windows(expr: str) -> Iterator[tuple[str, str]]:
    """A sixth more and less."""
    for found in re.finditer(r"\[(\w+)\]", expr):
        lasts_s = seconds(found[1])
        for new_s in (lasts_s * 5 // 6, lasts_s * 7 // 6):
            yield _put(expr, found, f"{new_s}s", 1)


def _comparisons(expr: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r" (>=|<=|==|>|<) ", expr):
        for new in _FLIPS[found[1]]:
            yield _put(expr, found, new, 1)


def _functions(expr: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"\b(\w+)(?=\s*(?:by\s*\([^)]*\)\s*)?\()", expr):
        for new in _SWAPS.get(found[1], ()):
            yield _put(expr, found, new, 1)


def _groupings(expr: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"by \(([^)]*)\)", expr):
        names = found[1].split(", ")
        for name in names:
            yield _put(expr, found, ", ".join(other for other in names if other != name), 1)


def _matchers(expr: str) -> Iterator[tuple[str, str]]:
    """Leave a matcher out, turn it round, and ask for something else; of a choice, leave out one."""
    for found in re.finditer(r'(\w+)(=~|!=|=)"([^"]*)"', expr):
        name, is_to, value = found.groups()
        yield _put(expr, found, f'{name}=~".*"')
        turned = {"=": "!=", "!=": "=", "=~": "!~"}[is_to]
        yield _put(expr, found, f'{name}{turned}"{value}"')
        yield _put(expr, found, f'{name}{is_to}"{value}x"')
        choices = value.split("|")
        for one in choices if len(choices) > 1 else []:
            yield _put(expr, found, f'{name}{is_to}"{"|".join(other for other in choices if other != one)}"')
        if value.endswith(".*"):
            yield _put(expr, found, f'{name}{is_to}"{value[:-2]}"')


def _clauses(expr: str) -> Iterator[tuple[str, str]]:
    """Leave out one clause, each of which stands on its own line, or join it with the other word."""
    lines = expr.split("\n")
    for at, line in enumerate(lines if re.search(r"\n(and|or|unless) ", expr) else []):
        kept = lines[:at] + lines[at + 1 :]
        kept[0] = re.sub(r"^(and|or|unless) ", "", kept[0])
        yield f"without {line}", "\n".join(kept)
        if at:
            word = "or" if line.startswith("and ") else "and"
            swapped = [*lines[:at], re.sub(r"^\w+", word, line), *lines[at + 1 :]]
            yield f"{word} instead of that in {line}", "\n".join(swapped)
