"""Builders for the tests of the rules: learner u1 of course math, whose classes begin at 19:00 in Shanghai."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TypeAlias, TypedDict, Unpack

from rules import policy
from rules.deadline import WorkingDay
from rules.judge import Judgement, judge
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.outage import Outage
from rules.policy import Policy
from rules.record import ClassRecord
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant
from rules.world import Cancellation, Course, Enrolment, ScheduledClass, World

POLICY: Policy = policy.default()
MONDAY: Instant = parse_instant("2026-11-02T00:00:00+08:00")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

When: TypeAlias = Instant | str
"""An instant, or words for one in the week of 2026-11-02 as Shanghai's clocks show it: ``Mon 19:00:05.120``."""


def local(when: When) -> Instant:
    """Read words such as ``Mon 19:00`` (Shanghai); an instant is taken as it is."""
    if isinstance(when, int):
        return when
    day, _, clock = when.partition(" ")
    hours, minutes, *rest = clock.split(":")
    seconds = Fraction(rest[0]) if rest else Fraction(0)
    into_day = int(hours) * HOUR + int(minutes) * MINUTE + int(seconds * SECOND)
    return MONDAY + _DAYS.index(day) * DAY + into_day


def lesson(
    name: str,
    starts_at: When = "Mon 19:00",
    *learners: str,
    minutes: float = 60,
    provider: str = "agora",
    course: str = "math",
    teacher: str = "t1",
    cancelled: Cancellation | None = None,
) -> ScheduledClass:
    """Schedule a class; of u1 alone where no learner is named."""
    begins = local(starts_at)
    return ScheduledClass(
        id=name,
        course_id=course,
        starts_at=begins,
        ends_at=begins + int(minutes * MINUTE),
        provider=provider,
        room_id=None,
        teacher_id=teacher,
        learner_ids=learners or ("u1",),
        cancelled=cancelled,
    )


def cancelled(at: When, by: str = "platform", *, technical: bool = False) -> Cancellation:
    """Call a class off."""
    return Cancellation(local(at), by, technical)


class Place(TypedDict, total=False):
    """Through what and as what a participant came."""

    source: str
    role: str
    domains: Mapping[str, str]


class Said(Place, total=False):
    """What an observation says beside what happened to whom and when."""

    id: str
    until: When
    session: str
    vantage: str
    fault: str
    blames: str
    code: str
    metrics: Mapping[str, float]
    recorded_at: When


def seen(
    kind: str, at: When, where: ScheduledClass | None = None, who: str | None = "u1", **said: Unpack[Said]
) -> Observation:
    """Observe something; the same said twice is one observation, unless its ``id`` is given."""
    known = (kind, local(at), where and where.id, who, sorted((key, str(value)) for key, value in said.items()))
    role = said.get("role", "learner")
    return Observation(
        source=said.get("source", "agora"),
        id=said.get("id") or hashlib.sha256(repr(known).encode()).hexdigest()[:16],
        kind=Kind(kind),
        at=local(at),
        until=local(said["until"]) if "until" in said else None,
        class_id=None if where is None else where.id,
        participant_id=who,
        role=None if who is None else Role(role),
        session=said.get("session") or (f"s{local(at)}" if kind in ("joined", "left") else None),
        vantage=None if who is None else Vantage(said.get("vantage", "server")),
        fault=Fault(said.get("fault", "unknown")),
        blames=said.get("blames"),
        code=said.get("code"),
        domains=said.get("domains", {"provider": "agora"}),
        metrics=said.get("metrics", {}),
        recorded_at=local(said["recorded_at"]) if "recorded_at" in said else None,
    )


def kept_out(
    where: ScheduledClass, who: str = "u1", start: When | None = None, end: When | None = None, **said: Unpack[Said]
) -> list[Observation]:
    """Shut a participant out by the platform's fault, from the start of the class to its end if nothing else is said.

    With an ``end`` they are let in then, and stay.
    """
    said.setdefault("fault", "platform")
    failure = seen("join_failed", where.starts_at if start is None else start, where, who, **said)
    return [failure] if end is None else [failure, *present(where, who, end, **_place(said))]


def present(
    where: ScheduledClass, who: str = "u1", start: When | None = None, end: When | None = None, **place: Unpack[Place]
) -> list[Observation]:
    """Seat a participant, who goes by their own act; for the whole class if nothing else is said."""
    begins = where.starts_at if start is None else start
    ends = where.ends_at if end is None else end
    session = f"{who}-{local(begins)}"
    return [
        seen("joined", begins, where, who, session=session, **place),
        seen("left", ends, where, who, session=session, fault="learner", **place),
    ]


def dropped(
    where: ScheduledClass, at: When, who: str = "u1", start: When | None = None, **said: Unpack[Said]
) -> list[Observation]:
    """Seat a participant and throw them out, by the platform's fault if nothing else is said."""
    begins = where.starts_at if start is None else start
    session = said.setdefault("session", f"{who}-{local(begins)}")
    said.setdefault("fault", "platform")
    return [
        seen("joined", begins, where, who, session=session, **_place(said)),
        seen("left", at, where, who, **said),
    ]


def _place(said: Said) -> Place:
    place: Place = {}
    if "source" in said:
        place["source"] = said["source"]
    if "role" in said:
        place["role"] = said["role"]
    if "domains" in said:
        place["domains"] = said["domains"]
    return place


def received(
    where: ScheduledClass,
    measured: Mapping[str, float],
    start: When | None = None,
    end: When | None = None,
    who: str = "u1",
    **place: Unpack[Place],
) -> Observation:
    """Measure what a participant received; over the whole class if nothing else is said."""
    begins = where.starts_at if start is None else start
    ends = where.ends_at if end is None else end
    return seen("quality", begins, where, who, until=ends, metrics=measured, **place)


@dataclass(frozen=True)
class Crowd:
    """Learners with a class each at the same time, and what was seen of them."""

    classes: list[ScheduledClass]
    observations: list[Observation]

    def __add__(self, other: "Crowd") -> "Crowd":
        return Crowd(self.classes + other.classes, self.observations + other.observations)


NO_CROWD = Crowd([], [])


def crowd(
    starts_at: When,
    size: int,
    lost: int,
    domains: Mapping[str, str] | None = None,
    *,
    name: str = "",
    minutes: float = 60,
) -> Crowd:
    """Give some learners a class each; the first ``lost`` of them are out of it for no known reason."""
    where = {"provider": "agora"} if domains is None else dict(domains)
    begins = local(starts_at)
    label = name or f"{begins}-{'-'.join(where.values())}"
    classes, observations = [], []
    for number in range(size):
        who = f"{label}-{number}"
        row = lesson(f"class-{who}", begins, who, minutes=minutes, teacher=f"teacher-{who}")
        classes.append(row)
        if number < lost:
            observations += kept_out(row, who, fault="unknown", domains=where)
        else:
            observations += present(row, who, domains=where)
    return Crowd(classes, observations)


def enrolment(
    name: str = "e1",
    who: str = "u1",
    *,
    course: str = "math",
    starts_at: When = MONDAY - 60 * DAY,
    price: int = 480_000,
    paid: int | None = None,
    lessons: int = 48,
    gift: int = 0,
    used: Fraction | int = 20,
    refunded: int = 0,
    contract: int | None = None,
    currency: str = "CNY",
) -> Enrolment:
    """Buy a course: 48 lessons for 4,800 yuan, 20 of them used, if nothing else is said."""
    return Enrolment(
        id=name,
        learner_id=who,
        course_id=course,
        starts_at=local(starts_at),
        price_minor=price,
        paid_minor=price if paid is None else paid,
        currency=currency,
        lessons_paid=lessons,
        lessons_gift=gift,
        lessons_used_before=Fraction(used),
        price_refunded_minor=refunded,
        contract_refund_minor=contract,
    )


def school(
    classes: Sequence[ScheduledClass],
    observations: Iterable[Observation] = (),
    *,
    enrolments: Sequence[Enrolment] | None = None,
    courses: Sequence[Course] = (),
) -> World:
    """Make a world, with the usual enrolment of u1 if no other is given."""
    bought = (enrolment(),) if enrolments is None else tuple(enrolments)
    return World(tuple(courses), bought, tuple(classes), tuple(observations))


def on_weekdays(day: date) -> bool:
    """Call Monday to Friday working days."""
    return day.weekday() < 5


def judged(
    world: World, as_of: When | None = None, rules: Policy = POLICY, is_working_day: WorkingDay = on_weekdays
) -> Judgement:
    """Judge a world, at the first instant at which every class is firm if no other is given."""
    firm = max((row.ends_at for row in world.classes), default=0) + rules.time.firm_after_h * HOUR
    return judge(world, firm if as_of is None else local(as_of), rules, is_working_day)


def record_of(judgement: Judgement, class_id: str, who: str = "u1") -> ClassRecord:
    """Find the judgement of one learner's class."""
    return next(row for row in judgement.records if (row.learner_id, row.class_id) == (who, class_id))


def told(judgement: Judgement, class_id: str, who: str = "u1") -> str:
    """Say verdict, blame, grade and domain in one line: ``UNABLE_PLATFORM platform B node:bj-7``."""
    row = record_of(judgement, class_id, who)
    return " ".join(str(part) for part in (row.verdict.value, row.by, row.grade, row.domain) if part is not None)


def outages_found(
    classes: Sequence[ScheduledClass], observations: Sequence[Observation], as_of: When | None = None
) -> list[Outage]:
    """Judge these classes, and give the outages of u1."""
    found = judged(school(classes, observations), as_of).outages
    return [outage for outage in found if outage.learner_id == "u1"]


def outages_of(judgement: Judgement, who: str = "u1") -> list[tuple[float, str]]:
    """List the outages of a learner as hours and answer."""
    return [(hours(outage), outage.answer.value) for outage in judgement.outages if outage.learner_id == who]


def hours(outage: Outage) -> float:
    """Measure an outage."""
    return float(Fraction(outage.ends_at - outage.starts_at, HOUR))


def cases_of(judgement: Judgement, who: str = "u1") -> list[str]:
    """List the cases of a learner: ``refund``, ``review``, or the tier of a compensation with its lineage."""
    return [
        f"{case.tier} {case.lineage}" if case.tier else case.kind for case in judgement.cases if case.learner_id == who
    ]
