"""Adds up what a refund system was asked for, and holds it against what the plan owes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qos_monitor.simulation.expectations import Due

Message = Mapping[str, object]
"""A claim as the refund system received it."""


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """All that was asked for one enrolment, over every claim: how it was cut into claims does not matter."""

    learner_id: str
    enrolment_id: str
    amount_minor: int
    half_lessons: tuple[tuple[str, int], ...]
    bonus_lessons: int

    def __str__(self) -> str:
        halves = ", ".join(f"{count}/2 {name}" for name, count in self.half_lessons)
        return (
            f"{self.enrolment_id}: {self.amount_minor / 100:,.2f}; {halves or 'no lesson'}; {self.bonus_lessons} more"
        )


def asked(received: Iterable[Message]) -> set[Asked]:
    """Add up the claims by enrolment."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for message in received:
        name = (str(message["learner_id"]), str(message["enrolment_id"]))
        sums.setdefault(name, Counter()).update(_wanted(message))
    return {_asked(*name, sum_) for name, sum_ in sums.items()}


def owed(dues: Iterable[Due]) -> set[Asked]:
    """Add up what the plan owes by enrolment."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for due in dues:
        sum_ = sums.setdefault((due.learner_id, due.enrolment_id), Counter())
        sum_.update({_AMOUNT: due.amount_minor, _BONUS: due.bonus_lessons, **due.half_lessons})
    return {_asked(*name, sum_) for name, sum_ in sums.items()}


_AMOUNT, _BONUS = "*amount", "*bonus"


def _wanted(message: Message) -> Mapping[str, int]:
    terms, amount = message["terms"], message["amount_minor"]
    assert isinstance(terms, Mapping)  # noqa: S101 - the receiver has held it against the schema
    if message["remedy"] != "compensation":
        return {_AMOUNT: amount if isinstance(amount, int) else 0}
    halves = terms.get("half_lessons_by_class")
    if not isinstance(halves, Mapping):
        each = round(2 * terms["lessons_credited"] / len(terms["class_ids"]))
        halves = dict.fromkeys(terms["class_ids"], each)
    return {_BONUS: int(terms["bonus_lessons"]), **halves}


def _asked(learner_id: str, enrolment_id: str, sum_: Counter[str]) -> Asked:
    halves = tuple(sorted((name, count) for name, count in sum_.items() if name not in (_AMOUNT, _BONUS)))
    return Asked(learner_id, enrolment_id, sum_[_AMOUNT], halves, sum_[_BONUS])
