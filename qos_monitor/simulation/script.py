"""What happens in a class, second by second, before any provider puts it into its own words."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from qos_monitor.simulation.faults import Cause, Fate, Seat, Way
from qos_monitor.simulation.school import Learner, Lesson, School
from rules.span import HOUR, MINUTE, SECOND, Instant, Span


class What(StrEnum):
    """What happened to somebody."""

    ATTEMPT = "attempt"
    FAILURE = "failure"
    REFUSAL = "refusal"
    JOIN = "join"
    LEAVE = "leave"
    QUALITY = "quality"


class Why(StrEnum):
    """Why somebody left."""

    OWN = "own act"
    DEVICE = "another device"
    SILENCE = "nothing heard"
    SERVER = "server stopped"


@dataclass(frozen=True, slots=True)
class Reception:
    """What somebody received over a span: the round trip and the share of packets lost."""

    span: Span
    rtt_ms: int
    loss: float


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one person in one class. ``stay`` counts their stays in it from 1."""

    at: Instant
    what: What
    lesson: Lesson
    person: str
    learner: Learner | None = None
    stay: int = 1
    why: Why = Why.OWN
    cause: Cause | None = None
    received: Sequence[Reception] = field(default=())


_SPAN = 2 * MINUTE
_REPORT = 30 * MINUTE
_TRIES = (0, 4 * MINUTE, 12 * MINUTE)
_BAD_FROM = 3 * MINUTE
_ENTRIES_S = (*[1] * 3, *[2] * 6, *[3] * 5, *[4] * 4, 5, 12)
"""How long it takes to get in: one in twenty waits for more than 5 s."""


def events(school: School, decided: Mapping[Seat, Fate], seed: int) -> Iterator[Event]:
    """Tell everything that happens in the school, class by class; the same input tells the same."""
    chance = random.Random(seed + 2)  # noqa: S311 - a play, not a secret
    for lesson in school.lessons:
        yield from _teaching(lesson)
        for learner_id in lesson.group.learner_ids:
            fate = decided[learner_id, lesson.id]
            if fate.way is not Way.LEAVES_NO_TRACE:
                yield from _Seat(lesson, school.learners[learner_id], fate).events(chance)


def _teaching(lesson: Lesson) -> Iterator[Event]:
    teacher = lesson.group.teacher_id
    yield Event(lesson.span.start - 4 * MINUTE, What.JOIN, lesson, teacher)
    yield Event(lesson.span.end + 50 * SECOND, What.LEAVE, lesson, teacher)


@dataclass(frozen=True, slots=True)
class _Seat:
    lesson: Lesson
    learner: Learner
    fate: Fate

    def events(self, chance: random.Random) -> Iterator[Event]:
        if self.fate.way is Way.SHUT_OUT:
            yield from self._outside()
            return
        comes, goes = self.fate.comes, self.fate.goes
        yield self._event(comes - chance.choice(_ENTRIES_S) * SECOND, What.ATTEMPT)
        yield self._event(comes, What.JOIN)
        if self.fate.gap is not None:
            yield from self._interrupted(*self.fate.gap)
        stay = 1 if self.fate.gap is None else 2
        why = Why.SILENCE if self.fate.cause is Cause.WIFI else Why.OWN
        yield self._event(goes, What.LEAVE, stay, why)
        if self.fate.way is Way.CUT_OFF:
            for after in (MINUTE, 6 * MINUTE, 15 * MINUTE):
                yield self._event(goes + after, What.ATTEMPT)
                yield self._event(goes + after + 20 * SECOND, What.FAILURE)
        if self.learner.sends_quality or self.fate.way is Way.CUT_OFF:
            yield from self._quality(chance)

    def _outside(self) -> Iterator[Event]:
        """Try three times, then give up; the backend's refusal comes at once, a time-out after 20 s."""
        for after in _TRIES:
            at = self.fate.comes + after
            yield self._event(at, What.ATTEMPT)
            if self.fate.cause is Cause.ACCOUNT:
                yield self._event(at + SECOND, What.REFUSAL)
            else:
                yield self._event(at + 20 * SECOND, What.FAILURE)

    def _interrupted(self, out: int, back: int) -> Iterator[Event]:
        if self.fate.cause is Cause.RESTART:
            yield self._event(out, What.LEAVE, 1, Why.SERVER)
        else:
            yield self._event(out, What.LEAVE, 1, Why.DEVICE)
        yield self._event(back - 2 * SECOND, What.ATTEMPT, 2)
        yield self._event(back, What.JOIN, 2)

    def _quality(self, chance: random.Random) -> Iterator[Event]:
        """Report what was received, without a hole, every half hour and at the end."""
        starts, ends = max(self.fate.comes, 0), min(self.fate.goes, HOUR)
        spans = [(at, min(at + _SPAN, ends)) for at in range(starts, ends, _SPAN)]
        received = [self._reception(span, chance) for span in spans]
        for report in range(starts, ends, _REPORT):
            due = [r for r, (at, _) in zip(received, spans, strict=True) if report <= at < report + _REPORT]
            until = due[-1].span.end - self.lesson.span.start
            yield self._event(until + 2 * SECOND, What.QUALITY, received=due)

    def _reception(self, span: tuple[int, int], chance: random.Random) -> Reception:
        at, until = span
        is_bad = self.fate.cause is Cause.WIFI and at >= self.fate.goes - _BAD_FROM - _SPAN
        start = self.lesson.span.start
        return Reception(
            Span(start + at, start + until),
            rtt_ms=chance.randrange(700, 1200) if is_bad else chance.randrange(20, 90),
            loss=round(chance.uniform(0.12, 0.18) if is_bad else chance.uniform(0, 0.015), 4),
        )

    def _event(
        self,
        after: int,
        what: What,
        stay: int = 1,
        why: Why = Why.OWN,
        received: Sequence[Reception] = (),
    ) -> Event:
        return Event(
            at=self.lesson.span.start + after,
            what=what,
            lesson=self.lesson,
            person=self.learner.id,
            learner=self.learner,
            stay=stay,
            why=why,
            cause=self.fate.cause,
            received=received,
        )
