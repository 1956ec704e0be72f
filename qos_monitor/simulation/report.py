"""What is printed at the end: planted, found, claimed, rightly not claimed, and whether it is all as expected."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qos_monitor.simulation.expectations import Expected
from qos_monitor.simulation.faults import PLANTED, Cause, Planted
from qos_monitor.simulation.plan import Plan
from rules.span import HOUR, SECOND

Message = Mapping[str, object]
"""A claim as the refund system received it."""

_SHOWN_MAX = 3
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the play came to, as seen from outside."""

    plan: Plan
    expected: Sequence[Expected]
    received: Sequence[Message]
    refused: Sequence[str]
    why_not: Mapping[Cause, str]
    """Of each fault that is not paid, one learner's verdict and why, in the service's words."""
    released: Sequence[int]
    verdicts: Mapping[str, float]
    bundle: str
    bundle_is_equal: bool

    @property
    def missing(self) -> list[Expected]:
        """Claims that were expected and did not come."""
        came = Counter(map(_key, self.received))
        return [one for one in self.expected if not _taken(came, one.key)]

    @property
    def surplus(self) -> list[Message]:
        """Claims that came and were not expected."""
        wanted = Counter(one.key for one in self.expected)
        return [one for one in self.received if not _taken(wanted, _key(one))]

    @property
    def is_right(self) -> bool:
        """Everything came that should, nothing else did, and the evidence holds."""
        return not (self.missing or self.surplus or self.refused) and self.bundle_is_equal


def _key(message: Message) -> tuple[str, str, str, str, int]:
    amount = message["amount_minor"]
    return (
        str(message["learner_id"]),
        str(message["enrolment_id"]),
        str(message["kind"]),
        str(message["tier"] or ""),
        amount if isinstance(amount, int) else 0,
    )


def _taken(counts: Counter[tuple[str, str, str, str, int]], key: tuple[str, str, str, str, int]) -> bool:
    counts[key] -= 1
    return counts[key] >= 0


def lines(outcome: Outcome) -> Iterator[str]:
    """Write the report, line by line."""
    yield from _section("What was planted, and what came of it")
    for planted in PLANTED:
        yield from _of_fault(planted, outcome)
    yield from _section("Everybody else")
    yield from _verdicts(outcome.verdicts)
    yield from _section("The claims the refund system received")
    yield from _claims(outcome.received)
    yield from _breaker(outcome.released)
    yield from _section("Is it right?")
    yield from _checks(outcome)


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"── {title} ".ljust(_WIDTH, "─")


def _of_fault(planted: Planted, outcome: Outcome) -> Iterator[str]:
    seats = [seat for seat, fate in outcome.plan.fates.items() if fate.cause is planted.cause]
    learners = {learner for learner, _ in seats}
    yield f"  {'●' if planted.is_owed else '○'} {planted.title}"
    yield f"      {_count(len(learners), 'learner')}, {_count(len(seats), 'class', 'classes')}"
    if not planted.is_owed:
        yield f"      rightly not paid · {outcome.why_not.get(planted.cause, '')}"
        return
    final: dict[tuple[str, str], Expected] = {
        (one.learner_id, one.enrolment_id): one for one in outcome.expected if one.cause is planted.cause
    }
    remedies = Counter("refund" if one.kind == "refund" else f"{_TIERS[one.tier or '']}" for one in final.values())
    paid = sum(one.amount_minor or 0 for one in final.values())
    told = ", ".join(f"{count} × {remedy}" for remedy, count in sorted(remedies.items()))
    yield f"      owed · {told}" + (f", {_money(paid)}" if paid else "")


_TIERS = {
    "T1": "half a lesson credited (T1)",
    "T2": "lesson given back (T2)",
    "T3": "lessons given back and one more (T3)",
}


def _verdicts(samples: Mapping[str, float]) -> Iterator[str]:
    told = {name: int(count) for name, count in samples.items() if count}
    yield "  verdicts in force · " + ", ".join(f"{count:,} {name}" for name, count in sorted(told.items()))


def _claims(received: Sequence[Message]) -> Iterator[str]:
    yield f"  {'learner':<12} {'course':<9} {'kind':<13} {'tier':<4} {'amount':>13}  why"
    groups: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for message in received:
        groups[str(message["kind"]), str(message["tier"] or "")].append(message)
    for kind, tier in sorted(groups, key=lambda name: (name[0] != "refund", name)):
        group = sorted(groups[kind, tier], key=_key)
        shown = len(group) if kind == "refund" else _SHOWN_MAX
        yield from map(_row, group[:shown])
        if len(group) > shown:
            yield f"  … and {len(group) - shown} more of {kind} {tier}"


def _row(message: Message) -> str:
    learner, enrolment, kind, tier, amount = _key(message)
    course = enrolment.removeprefix(f"{learner}-")
    money = _money(amount) if amount else "–"
    return f"  {learner:<12} {course:<9} {kind:<13} {tier or '–':<4} {money:>13}  {_why(message)}"


def _why(message: Message) -> str:
    outage, terms = message["outage"], message["terms"]
    assert isinstance(terms, Mapping)  # noqa: S101 - the receiver has held it against the schema
    if isinstance(outage, Mapping) and message["kind"] == "refund":
        hours = int(outage["span_s"]) * SECOND / HOUR
        left = terms["lessons"] - terms["lessons_used"]
        where = ", ".join(outage["domains"])
        return f"{hours:.1f} h without class, {where}; {left:g} of {terms['lessons']} lessons left"
    classes = terms.get("class_ids") or []
    return f"{_count(len(classes), 'class', 'classes')} failed by the platform: {', '.join(classes)}"


def _breaker(released: Iterable[int]) -> Iterator[str]:
    stopped = [(number, count) for number, count in enumerate(released) if count]
    if not stopped:
        return
    yield ""
    yield "  The breaker opened (more than 25 claims and more than 3 % of the learners in 24 h), and a person let go:"
    for number, count in stopped:
        yield f"    {day_name(number + 1)} 09:00 · {_count(count, 'case')} · POST /v1/cases/all/decision"


def _checks(outcome: Outcome) -> Iterator[str]:
    counts = f"{len(outcome.received)} claims received, {len(outcome.expected)} expected"
    yield from _check(not outcome.missing and not outcome.surplus, f"{counts}: learner, kind, tier and amount agree")
    for one in outcome.missing[:_SHOWN_MAX]:
        yield f"      missing · {one.learner_id} {one.kind} {one.tier or ''} {one.amount_minor or ''}"
    for message in outcome.surplus[:_SHOWN_MAX]:
        yield f"      not expected · {' '.join(map(str, _key(message)))}"
    yield from _check(not outcome.refused, "every claim was signed as Standard Webhooks has it, and came in its schema")
    yield from _check(outcome.bundle_is_equal, f"the evidence of one claim, judged again: equal ({outcome.bundle})")


def _check(is_right: bool, words: str) -> Iterator[str]:  # noqa: FBT001 - what is checked comes first
    yield f"  {'✓' if is_right else '✗'} {words}"


def day_name(number: int) -> str:
    """Name a day of the play: ``Mon  2 Nov``."""
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    return f"{names[number % 7]} {number + 2:>2} Nov"


def _money(minor: int) -> str:
    return f"CNY {minor / 100:,.2f}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
