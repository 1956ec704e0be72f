"""What is printed at the end: planted, found, claimed, rightly not claimed, and whether it is all as expected."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from qos_monitor.simulation.account import Asked, Message, asked, owed
from qos_monitor.simulation.expectations import Due
from qos_monitor.simulation.faults import PLANTED, Cause, Planted
from qos_monitor.simulation.plan import Plan
from rules.span import HOUR, SECOND

_SHOWN_MAX = 3
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the play came to, as seen from outside."""

    plan: Plan
    dues: Sequence[Due]
    received: Sequence[Message]
    refused: Sequence[str]
    why_not: Mapping[Cause, str]
    """Of each fault that is not paid, one learner's verdict and why, in the service's words."""
    released: Sequence[int]
    verdicts: Mapping[str, int]
    bundle: str
    bundle_is_equal: bool

    @property
    def missing(self) -> list[Asked]:
        """What the plan owes and nobody asked for in just this amount."""
        return sorted(owed(self.dues) - asked(self.received))

    @property
    def surplus(self) -> list[Asked]:
        """What was asked for and the plan does not owe in just this amount."""
        return sorted(asked(self.received) - owed(self.dues))

    @property
    def is_right(self) -> bool:
        """Everything came that should, nothing else did, and the evidence holds."""
        return not (self.missing or self.surplus or self.refused) and self.bundle_is_equal


def lines(outcome: Outcome) -> Iterator[str]:
    """Write the report, line by line."""
    yield from _section("What was planted, and what came of it")
    for planted in PLANTED:
        yield from _of_fault(planted, outcome)
    yield from _section("What was found")
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
    if planted.is_owed:
        yield f"      owed: {_owed([due for due in outcome.dues if due.cause is planted.cause])}"
    else:
        yield "      rightly not paid. The service says of one of them:"
        for line in wrap(outcome.why_not.get(planted.cause, "nothing"), _WIDTH - 8):
            yield f"        {line}"


def _owed(dues: Sequence[Due]) -> str:
    told = ", ".join(f"{count} × {remedy}" for remedy, count in sorted(Counter(due.remedy for due in dues).items()))
    paid = sum(due.amount_minor for due in dues)
    return told + (f"; {_money(paid)} in all" if paid else "")


def _verdicts(counts: Mapping[str, int]) -> Iterator[str]:
    for name, count in sorted(counts.items(), key=lambda entry: -entry[1]):
        yield f"  {count:>6,} {name:<16} {_VERDICTS.get(name, '')}"


_VERDICTS = {
    "ATTENDED": "the class was given and taken",
    "UNABLE_PLATFORM": "kept out by the platform",
    "UNABLE_LEARNER": "kept out by their own carrier or Wi-Fi",
    "NO_SHOW": "did not come, and nothing says they tried",
    "DEGRADED": "broken off in part",
    "UNKNOWN": "the evidence does not tell",
    "CANCELLED": "cancelled beforehand",
}


def _claims(received: Sequence[Message]) -> Iterator[str]:
    yield f"  {'learner':<12} {'course':<8} {'kind':<13} {'tier':<4} {'amount':>12}  why"
    groups: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for message in received:
        groups[str(message["kind"]), str(message["tier"] or "")].append(message)
    for kind, tier in sorted(groups, key=lambda name: (name[0] != "refund", name)):
        group = sorted(groups[kind, tier], key=lambda message: str(message["learner_id"]))
        shown = len(group) if kind == "refund" else _SHOWN_MAX
        yield from map(_row, group[:shown])
        if len(group) > shown:
            yield f"  … and {len(group) - shown} more like these"


def _row(message: Message) -> str:
    learner, amount, tier = str(message["learner_id"]), message["amount_minor"], message["tier"] or "–"
    course = str(message["enrolment_id"]).removeprefix(f"{learner}-")
    money = _money(amount) if isinstance(amount, int) else "–"
    return f"  {learner:<12} {course:<8} {message['kind']:<13} {tier:<4} {money:>12}  {_why(message)}"


def _why(message: Message) -> str:
    outage, terms = message["outage"], message["terms"]
    assert isinstance(terms, Mapping)  # noqa: S101 - the receiver has held it against the schema
    if isinstance(outage, Mapping) and message["kind"] == "refund":
        hours = int(outage["span_s"]) * SECOND / HOUR
        left = terms["lessons"] - terms["lessons_used"]
        return f"{hours:.1f} h kept out by {', '.join(outage['domains'])}; {left:g} of {terms['lessons']} lessons left"
    what = [f"{terms['lessons_credited']:g} of class {', '.join(terms['class_ids'])}"] if terms["class_ids"] else []
    what += [f"{_count(terms['bonus_lessons'], 'bonus lesson')} for the set"] if terms["bonus_lessons"] else []
    return " and ".join(what)


def _breaker(released: Iterable[int]) -> Iterator[str]:
    stopped = [(number, count) for number, count in enumerate(released) if count]
    if not stopped:
        return
    yield ""
    yield "  More than 25 claims and 3 % of the learners within 24 hours: the breaker opened, and the rest waited until"
    yield "  a person had looked and let them go (POST /v1/cases/all/decision):"
    for number, count in stopped:
        yield f"    {day_name(number + 1)} 09:00  {_count(count, 'case')}"


def _checks(outcome: Outcome) -> Iterator[str]:
    sums = asked(outcome.received)
    total = _money(sum(one.amount_minor for one in sums))
    yield _check(
        f"{_count(len(outcome.received), 'claim')} for {_count(len(sums), 'enrolment')}, {total}: "
        "all that the plan owes, to the fen, and nothing else",
        is_right=not outcome.missing and not outcome.surplus,
    )
    for title, found in (("owed and not asked for", outcome.missing), ("asked for and not owed", outcome.surplus)):
        for one in found[:_SHOWN_MAX]:
            yield f"      {title} · {one}"
    yield _check("every claim came signed as Standard Webhooks has it, and in its schema", is_right=not outcome.refused)
    for reason, count in Counter(outcome.refused).items():
        yield f"      refused · {count} × {reason}"
    yield _check(
        f"the evidence of one refund, judged again from its file alone, gives the same ({outcome.bundle})",
        is_right=outcome.bundle_is_equal,
    )


def _check(words: str, *, is_right: bool) -> str:
    return f"  {'✓' if is_right else '✗'} {words}"


def day_name(number: int) -> str:
    """Name a day of the play: ``Mon  2 Nov``."""
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    return f"{names[number % 7]} {number + 2:>2} Nov"


def _money(minor: int) -> str:
    return f"CNY {minor / 100:,.2f}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
