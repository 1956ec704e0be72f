"""One learner, all classes: anchors, recoveries, spans, and what is answered: Owed, Review, NotYet, Clear (SPEC 6)."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rules.evidence import LOGIN, domain
from rules.incident import DomainWindows, incidents, recovered
from rules.joining import joined
from rules.policy import Policy
from rules.record import CLASS, Anchor, ClassRecord
from rules.span import HOUR, MINUTE, SECOND, Instant, Span, format_instant
from rules.verdict import Verdict


class AnswerKind(StrEnum):
    """What is answered for an outage."""

    OWED = "owed"
    NOT_YET = "not_yet"
    REVIEW = "review"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Placed:
    """An anchor with what the fold needs beside it; ``is_doubt`` marks an UNKNOWN class looked at as if it were one."""

    anchor: Anchor
    enrolment_id: str | None = None
    enrolled_at: Instant | None = None
    firm_at: Instant = 0
    is_doubt: bool = False

    @property
    def place(self) -> tuple[Anchor, str, bool]:
        """By what anchors are sorted: start, end, id, and then anything that makes the order certain."""
        return (self.anchor, self.enrolment_id or "", self.is_doubt)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A time at which things worked again; OWN is the learner's own, else it is a cohort's of one domain."""

    span: Span
    is_own: bool
    domains: frozenset[str]
    enrolment_id: str | None = None

    def speaks_for(self, placed: Placed) -> bool:
        """Say whether this recovery is about the anchor's trouble."""
        if placed.anchor.domain in self.domains:
            return True
        return self.enrolment_id is not None and self.enrolment_id == placed.enrolment_id


@dataclass(frozen=True, slots=True)
class Outage:
    """A time of one learner's dead screens, joined; ``starts_at`` and ``ends_at`` are as widened by incidents.

    ``measured`` are its firm anchors of grade A or B, ``measured_span`` what they span, widened likewise; of a
    review both are of any grade and with the doubts, as is ``reach``, what the outage would be with them.
    """

    learner_id: str
    starts_at: Instant
    ends_at: Instant
    placed: tuple[Placed, ...]
    answer: AnswerKind
    look_again_at: Instant | None
    measured: tuple[Placed, ...]
    measured_span: Span | None
    reach: Span

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """The anchors, first to last."""
        return tuple(placed.anchor for placed in self.placed)

    @property
    def span_s(self) -> int | float:
        """Elapsed seconds."""
        length = self.ends_at - self.starts_at
        return length // SECOND if length % SECOND == 0 else length / SECOND

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of the anchors, sorted."""
        return tuple(sorted({placed.anchor.domain for placed in self.placed}))

    def as_json(self) -> dict[str, object]:
        """Write the outage as in SPEC 10."""
        return {
            "learner_id": self.learner_id,
            "starts_at": format_instant(self.starts_at),
            "ends_at": format_instant(self.ends_at),
            "span_s": self.span_s,
            "domains": list(self.domains),
            "anchors": [anchor.as_json() for anchor in self.anchors],
            "answer": self.answer.value,
            "look_again_at": None if self.look_again_at is None else format_instant(self.look_again_at),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One result of the device-test room (SPEC 2): ``cause_domain`` and ``grade`` are set for a platform's failure."""

    id: str
    at: Instant
    has_passed: bool
    domains: frozenset[str]
    cause_domain: str | None = None
    grade: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """All that the fold of one learner looks at, as known at T.

    ``records`` are of every class that could have a verdict; ``class_ends`` of every scheduled class, to come or
    gone; ``windows`` tell when a domain was faulty or healthy; ``enrolled_at`` is when each enrolment began.
    """

    learner_id: str
    records: Sequence[ClassRecord]
    checks: Sequence[Check]
    windows: Mapping[str, DomainWindows]
    enrolled_at: Mapping[str, Instant]
    class_ends: Sequence[Instant]


def fold(history: History, as_of: Instant, policy: Policy) -> list[Outage]:
    """Join a learner's anchors into outages and answer for each, sorted by start."""
    placed = _anchors(history, policy)
    seen = _Fold(placed, history, as_of, policy)
    doubted = _Fold([*placed, *_doubts(history, as_of, policy)], history, as_of, policy)
    would_be = [part for part in doubted.parts if doubted.is_owed(part, "ABC")]
    return [_answered(part, seen, would_be, as_of, policy) for part in seen.parts]


@dataclass(frozen=True, slots=True)
class _Part:
    placed: tuple[Placed, ...]
    span: Span


class _Fold:
    """One joining of a set of anchors."""

    def __init__(self, placed: Iterable[Placed], history: History, as_of: Instant, policy: Policy) -> None:
        self.history = history
        self.as_of = as_of
        self.terms = policy.outage
        self.placed = sorted(placed, key=lambda item: item.place)
        names = {item.anchor.domain for item in self.placed}
        self.recoveries = self._valid([*_own_recoveries(history), *recoveries_of_cohorts(history, names, policy)])
        self.parts = self._merged([self._part(group) for group in self._joined()])

    def _valid(self, recoveries: Iterable[Recovery]) -> list[Recovery]:
        """Leave out what darkness followed at once (flap)."""
        flap = self.terms.flap_min * MINUTE
        starts = [item.anchor.starts_at for item in self.placed]

        def stands(recovery: Recovery) -> bool:
            first = bisect_left(starts, recovery.span.start)
            for item in self.placed[first:]:
                if item.anchor.starts_at > recovery.span.start + flap:
                    return True
                if recovery.speaks_for(item):
                    return False
            return True

        return sorted((r for r in recoveries if stands(r)), key=lambda r: (r.span, not r.is_own))

    def _joined(self) -> list[list[Placed]]:
        links = ((index, other) for index, item in enumerate(self.placed) for other in self._followers(index, item))
        return [[self.placed[index] for index in group] for group in joined(len(self.placed), links)]

    def _followers(self, index: int, item: Placed) -> Iterable[int]:
        """Give the later anchors joined to this one."""
        end, name = item.anchor.ends_at, item.anchor.domain
        later = [r for r in self.recoveries if r.span.start >= end]
        same_until = min((r.span.start for r in later if r.speaks_for(item)), default=None)
        other_until = min((r.span.start for r in later if r.is_own or name in r.domains), default=None)
        for position in range(index + 1, len(self.placed)):
            other = self.placed[position].anchor
            is_same = other.domain == name
            gap_h = self.terms.same_domain_gap_h if is_same else self.terms.other_domain_gap_h
            until = same_until if is_same else other_until
            if other.starts_at - end <= gap_h * HOUR and (until is None or until >= other.starts_at):
                yield position

    def _part(self, placed: Sequence[Placed]) -> _Part:
        return _Part(tuple(placed), self.widened(placed))

    def widened(self, placed: Sequence[Placed]) -> Span:
        """Measure from the first to the last of these anchors, widened by the incidents they stand in."""
        hull = Span(min(p.anchor.starts_at for p in placed), max(p.anchor.ends_at for p in placed))
        low, high = hull.start, hull.end
        for name in {item.anchor.domain for item in placed}:
            mine = [item for item in placed if item.anchor.domain == name]
            spoken = [r.span for r in self.recoveries if r.is_own and any(r.speaks_for(item) for item in mine)]
            for incident in incidents(self.history.windows.get(name), self.terms):
                if any(incident.meets(Span(item.anchor.starts_at, item.anchor.ends_at)) for item in mine):
                    before = [min(span.end, hull.start) for span in spoken if span.start < hull.start]
                    after = [max(span.start, hull.end) for span in spoken if span.end > hull.end]
                    low = min(low, max([incident.start, *before]))
                    high = max(high, min([incident.end, *after]))
        begun = [item.enrolled_at for item in placed if item.enrolled_at is not None]
        if begun:
            low = max(low, min([hull.start, *begun]))
        return Span(low, high)

    @staticmethod
    def _merged(parts: Iterable[_Part]) -> list[_Part]:
        merged: list[_Part] = []
        for part in sorted(parts, key=lambda part: part.span):
            if merged and part.span.start < merged[-1].span.end:
                before = merged.pop()
                span = Span(before.span.start, max(before.span.end, part.span.end))
                merged.append(_Part(tuple(sorted(before.placed + part.placed, key=lambda item: item.place)), span))
            else:
                merged.append(part)
        return merged

    def measured(self, part: _Part, grades: str) -> list[Placed]:
        """Choose the firm anchors of these grades."""
        return [item for item in part.placed if item.firm_at <= self.as_of and item.anchor.grade in grades]

    def is_owed(self, part: _Part, grades: str) -> bool:
        """Say whether the firm anchors of these grades alone make an outage that is owed."""
        strong = self.measured(part, grades)
        if not any(item.anchor.kind == CLASS for item in strong):
            return False
        span = self.widened(strong)
        starts = [item.anchor.starts_at for item in strong]
        hull = max(item.anchor.ends_at for item in strong) - min(starts)
        is_spread = max(starts) - min(starts) >= self.terms.begin_apart_h * HOUR
        return span.length >= self.terms.owed_s * SECOND and (is_spread or span.length > hull)


def _answered(part: _Part, seen: _Fold, would_be: Sequence[_Part], as_of: Instant, policy: Policy) -> Outage:
    learner_id, look_again_at = seen.history.learner_id, None
    measured, reach = seen.measured(part, "AB"), part.span
    doubt = next((other for other in would_be if set(part.placed) & set(other.placed)), None)
    if seen.is_owed(part, "AB"):
        answer = AnswerKind.OWED
    elif doubt is not None:
        answer, measured, reach = AnswerKind.REVIEW, seen.measured(doubt, "ABC"), doubt.span
    elif _is_clear(part, seen, as_of):
        answer = AnswerKind.CLEAR
    else:
        answer, look_again_at = AnswerKind.NOT_YET, _next_look(part, seen.history, as_of, policy)
    span = seen.widened(measured) if measured else None
    return Outage(
        learner_id=learner_id,
        starts_at=part.span.start,
        ends_at=part.span.end,
        placed=part.placed,
        answer=answer,
        look_again_at=look_again_at,
        measured=tuple(measured),
        measured_span=span,
        reach=reach,
    )


def _is_clear(part: _Part, seen: _Fold, as_of: Instant) -> bool:
    if any(item.firm_at > as_of for item in part.placed):
        return False
    if as_of >= part.span.end + seen.terms.clear_after_h * HOUR:
        return True
    latest = as_of - seen.terms.clear_recovery_min * MINUTE
    since = [r for r in seen.recoveries if part.span.end <= r.span.start <= latest]
    return all(any(r.speaks_for(item) for r in since) for item in part.placed)


def _next_look(part: _Part, history: History, as_of: Instant, policy: Policy) -> Instant | None:
    provisional, firm = policy.time.provisional_after_min * MINUTE, policy.time.firm_after_h * HOUR
    moments = [part.span.end + policy.outage.clear_after_h * HOUR]
    moments += [item.firm_at for item in part.placed]
    moments += [end + wait for end in history.class_ends for wait in (provisional, firm)]
    return min((moment for moment in moments if moment > as_of), default=None)


def _anchors(history: History, policy: Policy) -> list[Placed]:
    placed = [
        Placed(anchor, record.enrolment_id, _enrolled_at(record, history), record.firm_at(policy))
        for record in history.records
        for anchor in record.anchors
    ]
    firm = policy.time.firm_after_h * HOUR
    for check in history.checks:
        if check.cause_domain is not None and check.grade is not None:
            anchor = Anchor(check.at, check.at + SECOND, check.id, "ATTEMPT", check.cause_domain, check.grade)
            placed.append(Placed(anchor, firm_at=check.at + firm))
    return placed


def _doubts(history: History, as_of: Instant, policy: Policy) -> list[Placed]:
    """Look at each firm UNKNOWN class as if it had been the provider's fault."""
    doubts = []
    for record in history.records:
        if record.verdict is Verdict.UNKNOWN and record.firm_at(policy) <= as_of:
            where = domain("provider", record.provider)
            anchor = Anchor(record.starts_at, record.ends_at, record.class_id, CLASS, where, "C")
            enrolled_at = _enrolled_at(record, history)
            doubts.append(Placed(anchor, record.enrolment_id, enrolled_at, record.firm_at(policy), is_doubt=True))
    return doubts


def _enrolled_at(record: ClassRecord, history: History) -> Instant | None:
    return None if record.enrolment_id is None else history.enrolled_at.get(record.enrolment_id)


def _own_recoveries(history: History) -> Iterable[Recovery]:
    account = domain("account", history.learner_id)
    for record in history.records:
        domains = frozenset({*record.used, LOGIN, account, domain("teacher", record.teacher_id)})
        for run in record.recoveries:
            yield Recovery(run, is_own=True, domains=domains, enrolment_id=record.enrolment_id)
    for check in history.checks:
        if check.has_passed:
            domains = check.domains | {LOGIN, account}
            yield Recovery(Span(check.at, check.at + SECOND), is_own=True, domains=domains)


def recoveries_of_cohorts(history: History, names: Iterable[str], policy: Policy) -> Iterable[Recovery]:
    """Give the recoveries the cohorts of these domains show."""
    for name in sorted(names):
        for span in recovered(history.windows.get(name), policy.outage):
            yield Recovery(span, is_own=False, domains=frozenset({name}))
