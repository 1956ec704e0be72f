"""Small worlds for the laws: a few classes, learners and observations, with instants that often fall on an edge."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from hypothesis import strategies as st
from rules_school import Crowd, crowd, dropped, enrolment, kept_out, lesson, local, present

from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant
from rules.world import Cancellation, Course, Enrolment, ScheduledClass, World

T = TypeVar("T")

MONDAY_EVENING: Instant = local("Mon 19:00")
LEARNERS = ("u1", "u2", "u3")

_STARTS = [0, 0, HOUR, 2 * HOUR, 24 * HOUR, 47 * HOUR, 47 * HOUR, 48 * HOUR, 73 * HOUR, 8 * DAY, 9 * DAY + 10 * SECOND]
_MINUTES = [60.0, 60.0, 30.0, 18.0, 0.75, 20.05]
_DOMAINS: list[Mapping[str, str]] = [
    {"provider": "agora"},
    {"provider": "agora", "node": "bj-7", "network": "gd-ct"},
    {"provider": "agora", "node": "sh-1", "login": "sso"},
    {},
]
_METRICS: list[Mapping[str, float]] = [
    {},
    {"loss": 0.0},
    {"loss": 0.1},
    {"rtt_ms": 501},
    {"audio_frozen": 0.3},
    {"av_offset_ms": 91, "video_frozen": 0.5},
]
_OFFSETS = [-901, -900, -60, -1, 0, 5, 60, 61, 300, 600, 1200, 1800, 2400, 2999, 3000, 3600]

_THROUGH = [("agora", "one"), ("agora", "two"), ("app", "one"), ("app", "three")]
_TOLD: list[tuple[Fault, str | None]] = [
    (Fault.PLATFORM, None),
    (Fault.PLATFORM, "account"),
    (Fault.PLATFORM, "node"),
    (Fault.PLATFORM, "login"),
    (Fault.LEARNER, None),
    (Fault.UNKNOWN, None),
    (Fault.UNKNOWN, None),
]
_KINDS = [Kind.JOIN_FAILED, Kind.ATTEMPTED, Kind.JOIN_FAILED, Kind.JOINED, Kind.JOINED, Kind.LEFT, Kind.QUALITY]
_VANTAGES = [Vantage.SERVER, Vantage.SERVER, Vantage.CLIENT]


class Choices:
    """Choices read off a string of bytes, one byte each; the first of the options once it is used up.

    One string costs the searching machine a fraction of what a draw for every choice does, and shrinks as well.
    """

    def __init__(self, string: bytes) -> None:
        self._bytes = iter(string)

    def one(self, options: Sequence[T]) -> T:
        """Choose."""
        return options[next(self._bytes, 0) % len(options)]


def of_a_class(choose: Choices, row: ScheduledClass, number: int) -> Observation:
    """Observe something of somebody in this class."""
    people = [*((name, Role.LEARNER) for name in row.learner_ids), ("t1", Role.TEACHER)]
    who, role = choose.one(people)
    kind = choose.one(_KINDS)
    source, session = choose.one(_THROUGH)
    fault, blames = choose.one(_TOLD)
    at = row.starts_at + choose.one(_OFFSETS) * SECOND + choose.one([0, 0, 0, 1])
    length = choose.one([5, 10, 900, 3600]) * SECOND
    return Observation(
        source=source,
        id=str(number),
        kind=kind,
        at=at,
        until=at + length if kind is Kind.QUALITY else None,
        class_id=row.id,
        participant_id=who,
        role=role,
        session=session if kind in (Kind.JOINED, Kind.LEFT) else None,
        vantage=choose.one(_VANTAGES),
        fault=fault,
        blames=blames,
        domains=choose.one(_DOMAINS),
        metrics=choose.one(_METRICS) if kind is Kind.QUALITY else {},
        recorded_at=choose.one([*[None] * 9, at + length + HOUR]),
    )


def behaviour(choose: Choices, row: ScheduledClass, who: str) -> list[Observation]:
    """Make what is usually seen of a learner in a class: out of it, in it, out at first, thrown out, or nothing."""
    domains, third = choose.one(_DOMAINS), row.starts_at + row.span.length // 3
    match choose.one(["out", "out", "account", "client", "late", "in", "thrown", "unknown", "nothing", "nothing"]):
        case "out":
            return kept_out(row, who, domains=domains)
        case "account":
            return kept_out(row, who, domains=domains, blames="account")
        case "client":
            return kept_out(row, who, domains=domains, vantage="client")
        case "late":
            return kept_out(row, who, end=third, domains=domains)
        case "in":
            return present(row, who, domains=domains)
        case "thrown":
            return dropped(row, third, who, domains=domains)
        case "unknown":
            return kept_out(row, who, fault="unknown", domains=domains)
        case _:
            return []


def check(choose: Choices, number: int) -> Observation:
    """Observe a visit of the device-test room."""
    fault, blames = choose.one(_TOLD)
    return Observation(
        source="lab",
        id=f"check-{number}",
        kind=choose.one([Kind.CHECK_PASSED, Kind.CHECK_FAILED]),
        at=MONDAY_EVENING + choose.one(_STARTS) + 90 * MINUTE,
        participant_id=choose.one(LEARNERS),
        role=Role.LEARNER,
        vantage=choose.one(_VANTAGES),
        fault=fault,
        blames=blames,
        domains=choose.one(_DOMAINS),
    )


def a_class(choose: Choices, name: str) -> ScheduledClass:
    """Schedule a class of some of the learners, now and then called off."""
    begins = MONDAY_EVENING + choose.one(_STARTS)
    minutes = choose.one(_MINUTES)
    who = choose.one([("u1",), ("u1", "u2"), LEARNERS])
    course = choose.one(["math", "math", "art"])
    off = None
    if choose.one(range(6)) == 5:
        at = begins + choose.one([-1, 0, 5 * SECOND, 20 * MINUTE, 70 * MINUTE])
        by = choose.one(["platform", "learner", "mutual"])
        off = Cancellation(at, by, is_technical=choose.one([True, False]))
    return lesson(name, begins, *who, minutes=minutes, course=course, cancelled=off)


_NODE = {"provider": "agora", "node": "bj-7", "network": "gd-ct"}
_CROWDS: tuple[Crowd, ...] = (
    crowd(MONDAY_EVENING, 6, 6, _NODE),
    crowd(MONDAY_EVENING, 20, 0, _NODE) + crowd(MONDAY_EVENING + 30 * MINUTE, 20, 0, _NODE),
    crowd(MONDAY_EVENING, 6, 5, _NODE) + crowd(MONDAY_EVENING, 8, 0, {"provider": "agora", "node": "sh-1"}),
)

BOUGHT: tuple[Enrolment, ...] = (
    enrolment("e1", "u1"),
    enrolment("e1-art", "u1", course="art", starts_at=MONDAY_EVENING - DAY),
    enrolment("e2", "u2", price=199_900, lessons=30, used=11),
    enrolment("e2-later", "u2", starts_at=MONDAY_EVENING + 24 * HOUR, used=0),
)
COURSES = (Course("math", None, visual_essential=False), Course("art", "Art", visual_essential=True))


def a_world(string: bytes) -> World:
    """Make a world of one to four classes, with others around them in one case of four."""
    choose = Choices(string)
    rows = [a_class(choose, f"c{number}") for number in range(choose.one([1, 2, 3, 4]))]
    seen = [one for row in rows for who in row.learner_ids for one in behaviour(choose, row, who)]
    seen += [of_a_class(choose, choose.one(rows), number) for number in range(choose.one([0, 0, 1, 2, 4, 7]))]
    seen += [check(choose, number) for number in range(choose.one([0, 0, 1, 2]))]
    begins = rows[0].starts_at
    if choose.one(range(6)) == 5:
        ends = begins + choose.one([1, 57, 60]) * MINUTE
        seen.append(Observation("agora", "feed", Kind.FEED_ALIVE, begins, ends))
    if choose.one(range(4)) == 3:
        others = choose.one(_CROWDS)
        rows, seen = rows + others.classes, seen + others.observations
    return World(COURSES, BOUGHT, tuple(rows), tuple(seen))


def worlds() -> st.SearchStrategy[World]:
    """Make small worlds."""
    return st.binary(min_size=150, max_size=150).map(a_world)


def instants() -> st.SearchStrategy[Instant]:
    """Choose when to judge: often on the edge of something becoming provisional, firm or clear."""
    hours = [1, 1.25, 7, 24, 55, 79, 80, 200, 209, 230, 500]
    return st.sampled_from([MONDAY_EVENING + int(after * HOUR) + more for after in hours for more in (0, -1, 15)])
