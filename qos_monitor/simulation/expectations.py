"""All the refund system should be asked for, worked out from the plan: no code of `rules` has a part in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from qos_monitor.simulation.faults import PLATFORM_CAUSES, Cause
from qos_monitor.simulation.plan import Plan
from qos_monitor.simulation.school import Enrolment, Lesson
from rules.span import HOUR

_OWED_FROM = 48 * HOUR
_FIRM_AFTER = 6 * HOUR
REFUND, WHOLE, HALF, SET = "refund", "lesson given back", "half a lesson credited", "lessons given back and one more"


@dataclass(frozen=True, slots=True)
class Due:
    """All that is owed for one enrolment because of one cause.

    ``half_lessons`` are those given back, by class; ``remedy`` is the last and largest of what is owed in turn.
    """

    learner_id: str
    enrolment_id: str
    cause: Cause
    remedy: str
    amount_minor: int = 0
    half_lessons: Mapping[str, int] = field(default_factory=dict)
    bonus_lessons: int = 0


def dues(plan: Plan) -> list[Due]:
    """List what is owed, enrolment by enrolment."""
    return [due for enrolment in plan.school.enrolments for due in _of_enrolment(plan, enrolment)]


def _of_enrolment(plan: Plan, enrolment: Enrolment) -> Iterator[Due]:
    lessons = [
        (lesson, plan.fates[enrolment.learner_id, lesson.id].cause) for lesson in plan.school.lessons_of(enrolment)
    ]
    for cause in sorted(PLATFORM_CAUSES):
        if any(its_cause is cause for _, its_cause in lessons):
            yield _due(enrolment, cause, lessons)


def _due(enrolment: Enrolment, cause: Cause, lessons: Sequence[tuple[Lesson, Cause | None]]) -> Due:
    """Work out what one cause costs; nobody got through between the lessons it hit, so they are one outage.

    Each lesson is given back the night after (half of one that was only cut short); two make a set with a bonus;
    and the one that ends 48 h or more after the first began makes it a refund, in the place of its own return.
    """
    who = (enrolment.learner_id, enrolment.id, cause)
    hit = [lesson for lesson, its_cause in lessons if its_cause is cause]
    if cause is Cause.RESTART:
        return Due(*who, HALF, half_lessons={lesson.id: 1 for lesson in hit})
    owed = [lesson for lesson in hit if lesson.span.end - hit[0].span.start >= _OWED_FROM]
    returned = {lesson.id: 2 for lesson in hit if lesson not in owed}
    bonus = int(len(hit) > 1)
    if owed:
        amount = _amount(enrolment, lessons, owed[0].span.end + _FIRM_AFTER)
        return Due(*who, REFUND, amount, returned, bonus)
    return Due(*who, SET if bonus else WHOLE, half_lessons=returned, bonus_lessons=bonus)


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
        return Fraction(1, 2)
    return Fraction(0) if cause in PLATFORM_CAUSES else Fraction(1)
