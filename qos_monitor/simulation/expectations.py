"""Every claim the refund system should get, worked out from the plan: no code of `rules` has a part in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from qos_monitor.simulation.faults import PLATFORM_CAUSES, Cause
from qos_monitor.simulation.plan import Plan
from qos_monitor.simulation.school import Enrolment, Lesson
from rules.span import HOUR

_OWED_FROM = 48 * HOUR
_FIRM_AFTER = 6 * HOUR
_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Expected:
    """One claim: money where there is an amount, else what its tier says. ``day`` is the lesson's that led to it."""

    learner_id: str
    enrolment_id: str
    kind: str
    tier: str | None
    amount_minor: int | None
    cause: Cause
    day: int

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """By what it is compared with a claim that arrived."""
        return (self.learner_id, self.enrolment_id, self.kind, self.tier or "", self.amount_minor or 0)


def claims(plan: Plan) -> list[Expected]:
    """List every claim in the order of the plan's enrolments and days."""
    return [claim for enrolment in plan.school.enrolments for claim in _of_enrolment(plan, enrolment)]


def _of_enrolment(plan: Plan, enrolment: Enrolment) -> Iterator[Expected]:
    lessons = [
        (lesson, plan.fates[enrolment.learner_id, lesson.id].cause) for lesson in plan.school.lessons_of(enrolment)
    ]
    for cause in sorted(PLATFORM_CAUSES):
        yield from _of_cause(enrolment, cause, lessons)


def _of_cause(enrolment: Enrolment, cause: Cause, lessons: Sequence[tuple[Lesson, Cause | None]]) -> Iterator[Expected]:
    """Go through the lessons one cause hit; nobody got through between them, so they are one outage.

    The first gives a lesson back (half of one where it was only cut short), another makes them a set with a bonus,
    and the one that ends 48 h or more after the first began makes it a refund.
    """
    hit = [lesson for lesson, its_cause in lessons if its_cause is cause]
    for number, lesson in enumerate(hit):
        kind, tier, amount = _first(cause)
        is_owed = lesson.span.end - hit[0].span.start >= _OWED_FROM
        if is_owed:
            kind, tier, amount = "refund", None, _amount(enrolment, lessons, lesson.span.end + _FIRM_AFTER)
        elif number:
            kind, tier = "supplement", "T3"
        yield Expected(enrolment.learner_id, enrolment.id, kind, tier, amount, cause, lesson.day)
        if is_owed:
            return


def _first(cause: Cause) -> tuple[str, str | None, int | None]:
    return "compensation", "T1" if cause is Cause.RESTART else "T2", None


def _amount(enrolment: Enrolment, lessons: Sequence[tuple[Lesson, Cause | None]], filed_at: int) -> int:
    """Give back the share of the price that the lessons not yet used are, rounded up to the fen."""
    course = enrolment.course
    used = Fraction(enrolment.lessons_used_before)
    for lesson, cause in lessons:
        if lesson.span.end < filed_at:
            used += _weight(cause)
    return ceil(course.price_minor - course.price_minor * used / (course.lessons_paid + course.lessons_gift))


def _weight(cause: Cause | None) -> Fraction:
    """A lesson the platform failed is not used, one it cut short is half used, any other is used."""
    if cause is Cause.RESTART:
        return _HALF
    return Fraction(0) if cause in PLATFORM_CAUSES else Fraction(1)
