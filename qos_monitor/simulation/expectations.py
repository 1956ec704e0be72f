"""What the school is owed, worked out from the plan by hand's rules: no code of `rules` has a part in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from qos_monitor.simulation.faults import PLATFORM_CAUSES, Cause, Fate, Seat
from qos_monitor.simulation.plan import Plan
from qos_monitor.simulation.school import Enrolment, Lesson
from rules.span import DAY, HOUR

_OWED_FROM, _LONG_FROM = 48 * HOUR, DAY
_FIRM_AFTER = 6 * HOUR
_WEIGHTS = {
    Cause.NODE: Fraction(0),
    Cause.ACCOUNT: Fraction(0),
    Cause.LOGIN: Fraction(0),
    Cause.RESTART: Fraction(1, 2),
}


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """One thing that is owed: money where there is an amount, else what its tier says."""

    learner_id: str
    enrolment_id: str
    kind: str
    tier: str | None
    amount_minor: int | None
    cause: Cause


def dues(plan: Plan) -> list[Due]:
    """List everything that is owed at the end of the play, one entry a case."""
    return sorted(due for enrolment in plan.school.enrolments for due in _of_enrolment(plan, enrolment))


def _of_enrolment(plan: Plan, enrolment: Enrolment) -> Iterator[Due]:
    lessons = plan.school.lessons_of(enrolment)
    causes = {lesson.id: _cause(plan.fates, enrolment, lesson) for lesson in lessons}
    for cause in (Cause.NODE, Cause.ACCOUNT, Cause.LOGIN, Cause.RESTART):
        hit = [lesson for lesson in lessons if causes[lesson.id] is cause]
        if hit:
            yield _due(enrolment, cause, hit, [(lesson, causes[lesson.id]) for lesson in lessons])


def _cause(fates: Mapping[Seat, Fate], enrolment: Enrolment, lesson: Lesson) -> Cause | None:
    cause = fates[enrolment.learner_id, lesson.id].cause
    return cause if cause in PLATFORM_CAUSES else None


def _due(enrolment: Enrolment, cause: Cause, hit: Sequence[Lesson], all_: Sequence[tuple[Lesson, Cause | None]]) -> Due:
    """Nobody got through between the lessons that one cause hit, so they are one outage."""
    long_enough = [lesson for lesson in hit if lesson.span.end - hit[0].span.start >= _OWED_FROM]
    if cause is Cause.RESTART:
        kind, tier, amount = "compensation", "T1", None
    elif long_enough:
        filed_at = long_enough[0].span.end + _FIRM_AFTER
        kind, tier, amount = "refund", None, _amount(enrolment, all_, filed_at)
    else:
        is_set = hit[-1].span.end - hit[0].span.start >= _LONG_FROM
        kind, tier, amount = "compensation", "T3" if is_set else "T2", None
    return Due(enrolment.learner_id, enrolment.id, kind, tier, amount, cause)


def _amount(enrolment: Enrolment, lessons: Sequence[tuple[Lesson, Cause | None]], filed_at: int) -> int:
    """Give back the share of the price that the lessons not yet used are, rounded up to the fen."""
    course = enrolment.course
    used = Fraction(enrolment.lessons_used_before)
    for lesson, cause in lessons:
        if lesson.span.end < filed_at:
            used += _WEIGHTS[cause] if cause else 1
    return ceil(course.price_minor - course.price_minor * used / (course.lessons_paid + course.lessons_gift))
