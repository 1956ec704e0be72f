"""Judges the classes of one half hour together: their cohorts say whose fault a loss was (SPEC 4, 5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from rules.attribution import Ballot, Cohort, Seen, attribute, cast, login_fault
from rules.evidence import LOGIN, NOTHING, Evidence, domain
from rules.past import Tally
from rules.policy import Policy
from rules.record import ClassRecord, record
from rules.slots import SlotStates, states, teacher_out
from rules.span import MINUTE, Instant
from rules.statistics import NOBODY, Count, State, faulty_among, is_faulty_alone, is_healthy
from rules.verdict import Outcome, divide, find
from rules.world import Enrolment, ScheduledClass

EnrolmentOf: TypeAlias = Callable[[str, ScheduledClass], Enrolment | None]


@dataclass(frozen=True, slots=True)
class ClassInputs:
    """One class as known at the instant of judging.

    ``evidence`` is by learner; a learner without any may be missing. ``feed_share`` is how much of the class the
    feed of its provider covered, None where that never sends `feed_alive`.
    """

    scheduled: ScheduledClass
    evidence: Mapping[str, Evidence]
    teacher: Evidence = NOTHING
    feed_share: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a judgement of one (learner, class) takes from others, as counts: no one else can be known from it.

    ``cohort`` and ``feed_share`` are None where nothing had to be asked of them.
    """

    room: Count = NOBODY
    cohort: Cohort | None = None
    feed_share: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Usual:
    """The shares usual before a window: p0 of each domain, and of leaving no trace at all."""

    of: Callable[[str], Fraction]
    absent: Fraction


@dataclass(frozen=True, slots=True)
class WindowJudgement:
    """The records of a window's classes, the tallies later windows look back on, and what each record looked at."""

    records: tuple[ClassRecord, ...]
    tallies: Mapping[str, Tally]
    surroundings: Mapping[tuple[str, str], Surroundings] = field(default_factory=dict)


EXPECTED: str = "expected"
"""The name under which a window's attendance is tallied: learners expected, and those who left no trace."""


def window_of(at: Instant, policy: Policy) -> Instant:
    """Give the start of the window, aligned to the epoch, that holds an instant."""
    length = policy.attribution.window_min * MINUTE
    return at - at % length


def judge_window(
    classes: Sequence[ClassInputs], usual: Usual, enrolment_of: EnrolmentOf, as_of: Instant, policy: Policy
) -> WindowJudgement:
    """Judge every class of one window that could have a verdict at ``as_of``; the others do not vote yet."""
    due = [c for c in classes if as_of >= c.scheduled.ends_at + policy.time.provisional_after_min * MINUTE]
    return _Window(due, usual, policy).judged(enrolment_of)


class _Window:
    def __init__(self, classes: Sequence[ClassInputs], usual: Usual, policy: Policy) -> None:
        self.policy = policy
        self.usual = usual
        self.classes = [_Room(inputs, policy) for inputs in classes]
        votes: dict[str, dict[str, bool]] = {}
        for room in self.classes:
            if not _was_cancelled(room.scheduled, room.scheduled.starts_at):
                for learner_id in room.witnessed:
                    cast(votes, learner_id, room.used(learner_id), lost_half=learner_id in room.lost_half)
        self.ballot = Ballot(votes)
        self.usual_of = {name: usual.of(name) for name in self.ballot.counts}
        self.attendance = self._attendance()
        self.is_deficit = is_deficit(self.attendance, usual.absent, policy)

    def _attendance(self) -> Count:
        """Count the learners expected, and those of them who left no trace in any class of theirs here."""
        expected: set[str] = set()
        seen: set[str] = set()
        least = self.policy.attribution.feed_share
        for room in self.classes:
            is_covered = room.inputs.feed_share is None or room.inputs.feed_share >= least
            if is_covered and not _was_cancelled(room.scheduled, room.scheduled.ends_at):
                expected.update(room.scheduled.learner_ids)
                seen.update(room.witnessed)
        return Count(len(expected), len(expected - seen))

    def judged(self, enrolment_of: EnrolmentOf) -> WindowJudgement:
        records, looked_at = [], {}
        for room in self.classes:
            for learner_id in room.scheduled.learner_ids:
                around = self._around(room, learner_id)
                enrolment = enrolment_of(learner_id, room.scheduled)
                enrolment_id = None if enrolment is None else enrolment.id
                records.append(room.judged(learner_id, around, enrolment_id))
                looked_at[learner_id, room.scheduled.id] = around
        return WindowJudgement(tuple(records), self.tallies(), looked_at)

    def _around(self, room: "_Room", learner_id: str) -> Surroundings:
        if not room.asks_others(learner_id):
            return Surroundings()
        expected = self.attendance.voters if self.is_deficit else None
        # Whether login was faulty for one who left no trace is asked of everybody (SPEC 5.2); only 4.1-4.4 leave out.
        # The feed is asked about nobody else: a late word of it changes nothing for those who came.
        left_out, feed_share = (learner_id, None) if room.came(learner_id) else (None, room.inputs.feed_share)
        used = room.used(learner_id)
        cohort = self.ballot.cohort(left_out, used, self.usual_of, expected, self.policy.attribution)
        return Surroundings(room.others(learner_id), cohort, feed_share)

    def tallies(self) -> dict[str, Tally]:
        terms = self.policy.attribution
        faulty = faulty_among(self.ballot.counts, self.usual_of, terms)
        if self.is_deficit:
            faulty |= {LOGIN}
        tallies = {}
        for name, count in self.ballot.counts.items():
            is_well = is_healthy(count, self.usual_of[name], terms)
            tallies[name] = Tally(count, _state(is_faulty=name in faulty, is_well=is_well))
        if LOGIN in faulty and LOGIN not in tallies:
            tallies[LOGIN] = Tally(NOBODY, State.FAULTY)
        if self.attendance.voters:
            tallies[EXPECTED] = Tally(self.attendance, _state(is_faulty=LOGIN in faulty, is_well=False))
        return tallies


def is_deficit(attendance: Count, usual: Fraction, policy: Policy) -> bool:
    """Say whether far more learners than usual left no trace: login is faulty."""
    terms = policy.attribution
    return attendance.voters >= terms.deficit_expected_min and is_faulty_alone(attendance, usual, terms)


def _state(*, is_faulty: bool, is_well: bool) -> State:
    if is_faulty:
        return State.FAULTY
    return State.HEALTHY if is_well else State.SILENT


def _was_cancelled(scheduled: ScheduledClass, before: Instant) -> bool:
    return scheduled.cancelled is not None and scheduled.cancelled.at < before


class _Room:
    """One class with the slot states of everybody in it."""

    def __init__(self, inputs: ClassInputs, policy: Policy) -> None:
        self.inputs = inputs
        self.policy = policy
        self.scheduled = inputs.scheduled
        self.teacher_slots, dark = teacher_slots(inputs.teacher, inputs.scheduled, policy)
        self.states: dict[str, SlotStates] = {
            learner_id: states(inputs.evidence.get(learner_id, NOTHING), inputs.scheduled, policy, dark)
            for learner_id in inputs.scheduled.learner_ids
        }
        self.witnessed = [name for name in inputs.scheduled.learner_ids if inputs.evidence.get(name, NOTHING)]
        self.lost_half = {name for name in self.witnessed if _lost_half(self.states[name], policy)}

    def used(self, learner_id: str) -> frozenset[str]:
        return used_domains(self.inputs.evidence.get(learner_id, NOTHING), self.scheduled)

    def came(self, learner_id: str) -> bool:
        return came(self.inputs.evidence.get(learner_id, NOTHING), self.scheduled)

    def others(self, learner_id: str) -> Count:
        """Count the other learners of the class with evidence, and those who lost half."""
        own = Count(learner_id in self.witnessed, learner_id in self.lost_half)
        return Count(len(self.witnessed), len(self.lost_half)) - own

    def asks_others(self, learner_id: str) -> bool:
        found = self.states[learner_id]
        return bool(found.lost or found.impaired) or not self.came(learner_id)

    def judged(self, learner_id: str, around: Surroundings, enrolment_id: str | None) -> ClassRecord:
        evidence = self.inputs.evidence.get(learner_id, NOTHING)
        outcome = outcome_of(self.scheduled, evidence, self.states[learner_id], self.teacher_slots, around, self.policy)
        return record_of(outcome, around, learner_id, enrolment_id, self.policy)


def _lost_half(found: SlotStates, policy: Policy) -> bool:
    grid = found.grid
    return grid.length(found.lost_but_by_learner) >= policy.attribution.lost_share * grid.span.length


def came(evidence: Evidence, scheduled: ScheduledClass) -> bool:
    """Say whether the learner tried or was in before the class was over: an attempt, a session, or the end of one."""
    instants = [mark.at for mark in (*evidence.attempts, *evidence.failures)]
    instants += [mark.at for mark in evidence.entries]
    instants += [mark.at for mark in evidence.exits]
    return bool(instants) and min(instants) < scheduled.ends_at


def used_domains(evidence: Evidence, scheduled: ScheduledClass) -> frozenset[str]:
    """Give the domains used in a class: its provider and those of every observation."""
    return evidence.used | {domain("provider", scheduled.provider)}


def teacher_slots(teacher: Evidence, scheduled: ScheduledClass, policy: Policy) -> tuple[int, int]:
    """Give the slots in which the teacher was unusable or kept out, and those in which the teacher was kept out."""
    found = states(teacher, scheduled, policy, None)
    dark = teacher_out(teacher, found)
    return found.unusable | dark, dark


def outcome_of(
    scheduled: ScheduledClass,
    evidence: Evidence,
    found: SlotStates,
    teacher: int,
    around: Surroundings,
    policy: Policy,
) -> Outcome:
    """Put lost time on a side, asking section 4 where anything was lost or impaired."""
    answer = None
    if found.lost or found.impaired:
        seen = Seen(scheduled.id, scheduled.teacher_id, evidence, used_domains(evidence, scheduled), found, teacher)
        answer = attribute(seen, around.room, around.cohort or Cohort(), policy.attribution)
    return Outcome(scheduled, evidence, found, divide(found, answer), answer)


def record_of(
    outcome: Outcome, around: Surroundings, learner_id: str, enrolment_id: str | None, policy: Policy
) -> ClassRecord:
    """Decide the verdict and put together what it hands on."""
    login = None if around.cohort is None else login_fault(around.cohort, policy.attribution)
    finding = find(outcome, around.feed_share, login, policy, has_come=came(outcome.evidence, outcome.scheduled))
    used = used_domains(outcome.evidence, outcome.scheduled)
    return record(outcome, finding, learner_id, enrolment_id, used, policy)


def feed_share(covered_ms: int, scheduled: ScheduledClass) -> Fraction:
    """Give the share of a class that a feed covered."""
    return Fraction(covered_ms, scheduled.span.length)


def judge_class(
    inputs: ClassInputs, learner_id: str, around: Surroundings, enrolment_id: str | None, policy: Policy
) -> ClassRecord:
    """Judge one (learner, class) with what others told at the time."""
    return _Room(inputs, policy).judged(learner_id, around, enrolment_id)
