"""What one judged (learner, class) hands on: its verdict, the anchors it gives and the recoveries it holds (SPEC 6)."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rules.document import Fields, Invalid, Problem
from rules.policy import Policy
from rules.span import HOUR, MINUTE, Instant, Span, format_instant
from rules.verdict import LEARNER, PLATFORM, Finding, Outcome, Shares, Verdict, heaviest

CLASS: str = "CLASS"
ATTEMPT: str = "ATTEMPT"


@dataclass(frozen=True, slots=True, order=True)
class Anchor:
    """A time of dead screen an outage hangs on; ``id`` is the class's or the check's, ``grade`` A, B or C."""

    starts_at: Instant
    ends_at: Instant
    id: str
    kind: str
    domain: str
    grade: str

    def as_json(self) -> dict[str, object]:
        """Write the anchor as in SPEC 10."""
        return {
            "id": self.id,
            "kind": self.kind,
            "starts_at": format_instant(self.starts_at),
            "ends_at": format_instant(self.ends_at),
            "domain": self.domain,
            "grade": self.grade,
        }


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """The judgement of one (learner, class) and all that later steps need of it; it holds no evidence.

    ``used`` are the written domains the learner used in the class. ``enrolment_id`` is None without an enrolment:
    the class is judged but opens no case.
    """

    learner_id: str
    class_id: str
    starts_at: Instant
    ends_at: Instant
    provider: str
    teacher_id: str
    enrolment_id: str | None
    verdict: Verdict
    by: str | None
    grade: str | None
    domain: str | None
    shares: Shares
    why: str
    anchors: tuple[Anchor, ...]
    recoveries: tuple[Span, ...]
    used: tuple[str, ...]

    def firm_at(self, policy: Policy) -> Instant:
        """The instant from which the verdict is firm."""
        return self.ends_at + policy.time.firm_after_h * HOUR

    @property
    def weight(self) -> Fraction:
        """How much of a lesson the class used up (SPEC 8)."""
        if self.verdict in (Verdict.UNABLE_PLATFORM, Verdict.UNKNOWN, Verdict.CANCELLED):
            return Fraction(0)
        return Fraction(1, 2) if self.is_degraded_by_platform else Fraction(1)

    @property
    def is_degraded_by_platform(self) -> bool:
        """DEGRADED, and the platform is to blame."""
        return self.verdict is Verdict.DEGRADED and self.by == PLATFORM

    def as_verdict_json(self, *, firm: bool) -> dict[str, object]:
        """Write the verdict as in SPEC 10."""
        return {
            "learner_id": self.learner_id,
            "class_id": self.class_id,
            "verdict": self.verdict.value,
            "by": self.by,
            "grade": self.grade,
            "domain": self.domain,
            "shares": self.shares.as_json(),
            "firm": firm,
            "why": self.why,
        }

    def as_json(self) -> dict[str, object]:
        """Write the whole record; `read_record` takes it back."""
        row: dict[str, object] = {name: getattr(self, name) for name in _PLAIN}
        row |= {
            "starts_at": format_instant(self.starts_at),
            "ends_at": format_instant(self.ends_at),
            "verdict": self.verdict.value,
            "shares_ms": {name: getattr(self.shares, name) for name in Shares.__slots__},
            "anchors": [anchor.as_json() for anchor in self.anchors],
            "recoveries": [[format_instant(span.start), format_instant(span.end)] for span in self.recoveries],
            "used": list(self.used),
        }
        return row


_PLAIN = ("learner_id", "class_id", "provider", "teacher_id", "enrolment_id", "by", "grade", "domain", "why")


def record(
    outcome: Outcome, finding: Finding, learner_id: str, enrolment_id: str | None, used: frozenset[str], policy: Policy
) -> ClassRecord:
    """Put together what a judged class hands on."""
    scheduled = outcome.scheduled
    return ClassRecord(
        learner_id=learner_id,
        class_id=scheduled.id,
        starts_at=scheduled.starts_at,
        ends_at=scheduled.ends_at,
        provider=scheduled.provider,
        teacher_id=scheduled.teacher_id,
        enrolment_id=enrolment_id,
        verdict=finding.verdict,
        by=finding.by,
        grade=finding.grade,
        domain=finding.domain,
        shares=finding.shares,
        why=finding.why,
        anchors=tuple(sorted(_anchors(outcome, finding, policy))),
        recoveries=tuple(_recoveries(outcome, policy)),
        used=tuple(sorted(used)),
    )


def _anchors(outcome: Outcome, finding: Finding, policy: Policy) -> Iterator[Anchor]:
    scheduled = outcome.scheduled
    grid = outcome.states.grid
    if finding.verdict is Verdict.UNABLE_PLATFORM:
        where, grade = finding.domain or "", finding.grade or ""
        if finding.is_presumed:
            yield Anchor(scheduled.starts_at, scheduled.ends_at, scheduled.id, CLASS, where, grade)
            return
        for run in grid.runs(outcome.states.lost & ~outcome.slots_of(LEARNER)):
            yield Anchor(_reached_back(run, outcome, policy), run.end, scheduled.id, CLASS, where, grade)
        return
    losses = [loss for loss in outcome.losses if loss.side == PLATFORM]
    for run in grid.runs(outcome.slots_of(PLATFORM)):
        held = heaviest(losses, grid, grid.mask(run))
        if run.length >= policy.outage.attempt_run_min * MINUTE and held is not None:
            yield Anchor(run.start, run.end, scheduled.id, ATTEMPT, held[1] or "", held[0] or "")


def _reached_back(run: Span, outcome: Outcome, policy: Policy) -> Instant:
    """A run from the very start of the class began with its shut-out, at most a join window earlier."""
    begins = outcome.scheduled.starts_at
    if run.start != begins:
        return run.start
    openings = [piece.shut_out.span.start for piece in outcome.states.pieces if piece.slots & 1]
    earliest = begins - policy.time.join_window_min * MINUTE
    return min([begins, *(max(opening, earliest) for opening in openings)])


def _recoveries(outcome: Outcome, policy: Policy) -> Iterator[Span]:
    length = outcome.scheduled.span.length
    wanted = policy.outage.recovery_run_min * MINUTE
    is_short = length < policy.verdict.short_class_min * MINUTE
    for run in outcome.states.grid.runs(outcome.states.good | outcome.states.impaired):
        if 2 * run.length >= length if is_short else run.length >= wanted:
            yield run


def read_record(value: object, path: str = "") -> ClassRecord:
    """Read a record as `ClassRecord.as_json` writes it. Raises Invalid."""
    problems: list[Problem] = []
    fields = Fields(value, path, problems)
    shares = fields.inner("shares_ms")
    found = ClassRecord(
        learner_id=fields.text("learner_id"),
        class_id=fields.text("class_id"),
        starts_at=fields.instant("starts_at"),
        ends_at=fields.instant("ends_at"),
        provider=fields.text("provider"),
        teacher_id=fields.text("teacher_id"),
        enrolment_id=fields.text_or_none("enrolment_id"),
        verdict=fields.choice("verdict", Verdict, [verdict.value for verdict in Verdict]),
        by=fields.text_or_none("by"),
        grade=fields.text_or_none("grade"),
        domain=fields.text_or_none("domain"),
        shares=Shares(*(shares.whole(name) for name in Shares.__slots__)),
        why=fields.text("why"),
        anchors=tuple(_read_anchor(Fields(entry, where, problems)) for where, entry in fields.items("anchors")),
        recoveries=tuple(_read_span(entry, where, problems) for where, entry in fields.items("recoveries")),
        used=tuple(str(entry) for _, entry in fields.items("used")),
    )
    shares.close()
    fields.close()
    if problems:
        raise Invalid(problems)
    return found


def _read_anchor(fields: Fields) -> Anchor:
    anchor = Anchor(
        starts_at=fields.instant("starts_at"),
        ends_at=fields.instant("ends_at"),
        id=fields.text("id"),
        kind=fields.choice("kind", str, (CLASS, ATTEMPT)),
        domain=fields.text("domain"),
        grade=fields.choice("grade", str, ("A", "B", "C")),
    )
    fields.close()
    return anchor


def _read_span(value: object, path: str, problems: list[Problem]) -> Span:
    pair = value if isinstance(value, list) and len(value) == 2 else [None, None]
    fields = Fields({"from": pair[0], "to": pair[1]}, path, problems)
    start, end = fields.instant("from"), fields.instant("to")
    return Span(start, max(start, end))
