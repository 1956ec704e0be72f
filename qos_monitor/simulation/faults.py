"""What befalls each learner in each class: everyday life, and the faults planted on purpose."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from qos_monitor.simulation.school import BELLS, Learner, Lesson, School, day
from rules.span import HOUR, MINUTE, SECOND, Span


class Cause(StrEnum):
    """What lies behind a class that went wrong."""

    NODE = "node outage"
    ACCOUNT = "account fault"
    CARRIER = "carrier outage"
    WIFI = "bad Wi-Fi"
    LOGIN = "login outage"
    RESTART = "server restart"
    ABSENCE = "no-show"


PLATFORM_CAUSES = frozenset({Cause.NODE, Cause.ACCOUNT, Cause.LOGIN, Cause.RESTART})


class Way(StrEnum):
    """How a class went for one learner, seen from outside."""

    ATTENDS = "attends"
    SHUT_OUT = "shut out"
    CUT_OFF = "cut off"
    LEAVES_NO_TRACE = "leaves no trace"


@dataclass(frozen=True, slots=True)
class Fate:
    """One learner in one class. Times are milliseconds after the class began; ``gap`` is when they were out."""

    way: Way
    cause: Cause | None = None
    comes: int = 0
    goes: int = HOUR
    gap: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault as it is told to the reader of the report."""

    cause: Cause
    title: str
    is_owed: bool


PLANTED = (
    Planted(Cause.NODE, "Agora's node bj-7 lets nobody in, Tue 3 Nov 15:30 to Thu 5 Nov 21:00", is_owed=True),
    Planted(Cause.ACCOUNT, "our own backend refuses one learner's account, Fri 6 to Sun 8 Nov", is_owed=True),
    Planted(Cause.LOGIN, "four of five learners cannot even log in, Tue 10 Nov 18:00", is_owed=True),
    Planted(Cause.RESTART, "a LiveKit server restarts in mid-class, Wed 11 Nov 19:45 to 20:10", is_owed=True),
    Planted(
        Cause.CARRIER, "the carrier unicom-guangdong drops media, Fri 6 Nov 16:00 to Sun 8 Nov 21:00", is_owed=False
    ),
    Planted(Cause.WIFI, "one learner's own Wi-Fi breaks down, Mon 9 and Wed 11 Nov", is_owed=False),
    Planted(Cause.ABSENCE, "learners who did not come; one of them three days running", is_owed=False),
)

SICK_NODE = "bj-7"
SICK_NETWORK = "unicom-guangdong"
_NODE_OUTAGE = Span(day(1, 15 * HOUR + 30 * MINUTE), day(3, 21 * HOUR))
_CARRIER_OUTAGE = Span(day(4, 16 * HOUR), day(6, 21 * HOUR))
_ACCOUNT_DAYS = range(4, 7)
_SKIPPED_DAYS = range(2, 5)
_WIFI_DAYS = (7, 9)
_LOGIN_OUTAGE = Span(day(8, 17 * HOUR + 30 * MINUTE), day(8, 18 * HOUR + 40 * MINUTE))
_RESTART = (15 * MINUTE, 40 * MINUTE)
_RESTARTED_NODE, _RESTART_LESSONS = "lk-hk-1", Span(day(9, 19 * HOUR), day(9, 20 * HOUR))

_NO_SHOW, _LATE, _EARLY, _REJOIN = 0.03, 0.06, 0.02, 0.08

Seat = tuple[str, str]
"""A learner's id and a class's id."""


@dataclass(frozen=True, slots=True)
class Singled:
    """The learners chosen for what befalls one alone."""

    account: str
    wifi: str
    skipper: str


def single_out(school: School) -> Singled:
    """Choose one learner each for the account fault, the bad Wi-Fi and the three no-shows in a row."""
    return Singled(
        account=_one(school, "livekit", 1, "daily"),
        wifi=_one(school, "agora", 0, "odd"),
        skipper=_one(school, "livekit", 0, "daily"),
    )


def _one(school: School, provider: str, bell: int, pattern: str) -> str:
    groups = [g for g in school.groups if (g.provider, g.pattern) == (provider, pattern)]
    group = sorted(groups, key=lambda g: g.bell)[bell]
    for learner_id in group.learner_ids:
        learner = school.learners[learner_id]
        if learner.network != SICK_NETWORK and learner.domains("agora")["node"] != SICK_NODE:
            return learner_id
    raise LookupError(f"group {group.id} has nobody outside the planted outages")


def fates(school: School, seed: int) -> Mapping[Seat, Fate]:
    """Decide every learner's every class; the same school and seed give the same fates."""
    chance = random.Random(seed + 1)  # noqa: S311 - a play, not a secret
    singled = single_out(school)
    vanished = _vanished(school, singled)
    result: dict[Seat, Fate] = {}
    for learner, lesson in school.seats():
        everyday = _everyday(chance, is_safe=_is_safe(learner, lesson, singled))
        planted = _planted(learner, lesson, singled, vanished)
        result[learner.id, lesson.id] = planted or everyday
    return result


def _planted(learner: Learner, lesson: Lesson, singled: Singled, vanished: frozenset[Seat]) -> Fate | None:
    start = lesson.span.start
    if _on_sick_node(learner, lesson) and _NODE_OUTAGE.holds(start):
        return Fate(Way.SHUT_OUT, Cause.NODE, comes=-2 * MINUTE)
    if learner.id == singled.account and lesson.day in _ACCOUNT_DAYS:
        return Fate(Way.SHUT_OUT, Cause.ACCOUNT, comes=-2 * MINUTE)
    if learner.network == SICK_NETWORK and _CARRIER_OUTAGE.holds(start):
        return Fate(Way.SHUT_OUT, Cause.CARRIER, comes=-2 * MINUTE)
    if learner.id == singled.wifi and lesson.day in _WIFI_DAYS:
        return Fate(Way.CUT_OFF, Cause.WIFI, comes=-MINUTE, goes=18 * MINUTE)
    if (learner.id, lesson.id) in vanished:
        return Fate(Way.LEAVES_NO_TRACE, Cause.LOGIN)
    if _is_restarted(learner, lesson):
        return Fate(Way.ATTENDS, Cause.RESTART, comes=-MINUTE, goes=HOUR + 5 * SECOND, gap=_RESTART)
    if learner.id == singled.skipper and lesson.day in _SKIPPED_DAYS:
        return Fate(Way.LEAVES_NO_TRACE, Cause.ABSENCE)
    return None


def _on_sick_node(learner: Learner, lesson: Lesson) -> bool:
    return learner.domains(lesson.group.provider)["node"] == SICK_NODE


def _is_restarted(learner: Learner, lesson: Lesson) -> bool:
    on_node = lesson.group.provider == "livekit" and learner.domains("livekit")["node"] == _RESTARTED_NODE
    return on_node and _RESTART_LESSONS.holds(lesson.span.start)


def _vanished(school: School, singled: Singled) -> frozenset[Seat]:
    """Choose who cannot log in; those whom another planted fault concerns were logged in already."""
    seats = [(learner, lesson) for learner, lesson in school.seats() if _LOGIN_OUTAGE.holds(lesson.span.start)]
    free = [
        (learner.id, lesson.id)
        for learner, lesson in seats
        if not _on_sick_node(learner, lesson) and learner.id != singled.account
    ]
    four_of_five = -(-len(seats) * 4 // 5)
    return frozenset(free[:four_of_five])


def _is_safe(learner: Learner, lesson: Lesson, singled: Singled) -> bool:
    """Keep chance away from the classes where one more absence would blur what a planted fault shows."""
    is_wifi_window = lesson.day in _WIFI_DAYS and lesson.group.bell == BELLS[0]
    return is_wifi_window or learner.id == singled.wifi or _LOGIN_OUTAGE.holds(lesson.span.start)


def _everyday(chance: random.Random, *, is_safe: bool) -> Fate:
    """Draw an ordinary class. The same number of draws is made whatever comes out."""
    lot, comes, goes, gap = (chance.random() for _ in range(4))
    if lot < _NO_SHOW and not is_safe:
        return Fate(Way.LEAVES_NO_TRACE, Cause.ABSENCE)
    entry = int(-3 * MINUTE + comes * 4 * MINUTE)
    end = int(HOUR + goes * 40 * SECOND)
    if lot < _NO_SHOW + _LATE:
        entry = int((3 + 6 * comes) * MINUTE)
    elif lot < _NO_SHOW + _LATE + _EARLY:
        end = int((42 + 4 * goes) * MINUTE)
    elif lot < _NO_SHOW + _LATE + _EARLY + _REJOIN:
        out = int((10 + 25 * gap) * MINUTE)
        return Fate(Way.ATTENDS, comes=entry, goes=end, gap=(out, out + int(3 + 30 * goes) * SECOND))
    return Fate(Way.ATTENDS, comes=entry, goes=end)
