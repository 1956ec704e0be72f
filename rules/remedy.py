"""What is owed to one learner: refunds, compensation, reviews, each as a case (SPEC 7)."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rules.deadline import Deadline, WorkingDay, deadline, review_deadline
from rules.evidence import LOGIN, domain
from rules.joining import joined
from rules.money import Refund, refund
from rules.outage import AnswerKind, Outage, Placed
from rules.policy import Policy
from rules.record import CLASS, ClassRecord
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, Span, format_instant
from rules.verdict import Verdict
from rules.world import Enrolment

REFUND: str = "refund"
COMPENSATION: str = "compensation"
REVIEW: str = "review"


@dataclass(frozen=True, slots=True)
class Case:
    """Something owed, or to be looked at by a person, under a key derived from what it is about.

    ``amount_minor`` is None where lessons are owed and not money; ``lineage_at`` is the start of the lineage.
    """

    case_key: str
    kind: str
    tier: str | None
    learner_id: str
    enrolment_id: str
    lineage: str
    lineage_at: Instant
    amount_minor: int | None
    currency: str | None
    terms: Mapping[str, object]
    filed_at: Instant
    due_target: str | None
    due_limit: str | None
    due_provisional: bool
    why: str
    outage: Outage | None = None

    def as_json(self) -> dict[str, object]:
        """Write the case as in SPEC 10."""
        return {
            "case_key": self.case_key,
            "kind": self.kind,
            "tier": self.tier,
            "learner_id": self.learner_id,
            "enrolment_id": self.enrolment_id,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "terms": dict(self.terms),
            "filed_at": format_instant(self.filed_at),
            "due_target": self.due_target,
            "due_limit": self.due_limit,
            "due_provisional": self.due_provisional,
            "why": self.why,
        }


def case_key(kind: str, learner_id: str, enrolment_id: str, lineage: str) -> str:
    """Derive the key: the same matter always has the same one."""
    about = json.dumps([kind, learner_id, enrolment_id, lineage], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(about.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ledger:
    """What cases are made from: a learner's judged classes, outages and enrolments, as known at ``as_of``."""

    learner_id: str
    records: Sequence[ClassRecord]
    outages: Sequence[Outage]
    enrolments: Mapping[str, Enrolment]
    as_of: Instant
    policy: Policy
    is_working_day: WorkingDay

    def of(self, enrolment_id: str) -> list[ClassRecord]:
        """List the judged classes of one enrolment, by start."""
        mine = [record for record in self.records if record.enrolment_id == enrolment_id]
        return sorted(mine, key=lambda record: (record.starts_at, record.class_id))

    def firm_of(self, enrolment_id: str) -> list[ClassRecord]:
        """List those whose verdict is firm: only they open cases."""
        return [record for record in self.of(enrolment_id) if record.firm_at(self.policy) <= self.as_of]

    def refund_of(self, enrolment_id: str) -> Refund:
        """Compute what a refund of this enrolment is today."""
        return refund(self.enrolments[enrolment_id], self.of(enrolment_id))


def cases(ledger: Ledger) -> list[Case]:
    """Find every case of one learner, sorted by start of the lineage, kind and enrolment."""
    refunds = list(_of_outages(ledger, AnswerKind.OWED))
    refunded = {case.enrolment_id for case in refunds}
    found = refunds + list(_of_outages(ledger, AnswerKind.REVIEW))
    for enrolment_id in sorted(set(ledger.enrolments) - refunded):
        found += _compensations(ledger, enrolment_id)
        found += _count_reviews(ledger, enrolment_id)
    unique = {case.case_key: case for case in reversed(found)}
    return sorted(unique.values(), key=lambda case: (case.lineage_at, case.kind, case.enrolment_id, case.lineage))


def _of_outages(ledger: Ledger, answer: AnswerKind) -> Iterator[Case]:
    """Make a case for each enrolment each outage of this answer affects; an enrolment is refunded once."""
    taken: set[str] = set()
    for outage in ledger.outages:
        if outage.answer is not answer:
            continue
        for enrolment_id in _affected(outage, ledger):
            if answer is AnswerKind.REVIEW:
                yield _outage_review(outage, enrolment_id, ledger)
            elif enrolment_id not in taken:
                taken.add(enrolment_id)
                yield _outage_refund(outage, enrolment_id, ledger)


def _affected(outage: Outage, ledger: Ledger) -> list[str]:
    """Name the enrolments with a firm CLASS anchor; of a long outage all that used one of its domains."""
    placed = {*outage.placed, *outage.measured}
    hit = {p.enrolment_id for p in placed if p.firm_at <= ledger.as_of and p.anchor.kind == CLASS and p.enrolment_id}
    if outage.reach.length >= ledger.policy.remedy.every_enrolment_h * HOUR:
        names = {item.anchor.domain for item in placed}
        for_all = bool(names & {LOGIN, domain("account", ledger.learner_id)})
        hit |= {
            record.enrolment_id
            for record in ledger.records
            if record.enrolment_id and (for_all or names & set(record.used))
        }
    return sorted(name for name in hit if name in ledger.enrolments)


def _outage_refund(outage: Outage, enrolment_id: str, ledger: Ledger) -> Case:
    owed = ledger.refund_of(enrolment_id)
    span = outage.measured_span or outage.reach
    terms = owed.terms() | {
        "outage": {"starts_at": format_instant(span.start), "ends_at": format_instant(span.end)},
        "alternatives": {
            "makeup_lessons": len({p.anchor.id for p in outage.measured if _is_class_of(p, enrolment_id)}),
            "bonus_lessons": 1,
            "validity_extended_s": span.length // SECOND,
        },
    }
    due = deadline(ledger.as_of, ledger.policy.deadlines, ledger.is_working_day)
    why = f"Unable to attend for {_hours(span)} in a row, at {', '.join(outage.domains)}; owed from 48 h on."
    about = _lineage(outage, ledger)
    return _case(ledger, REFUND, enrolment_id, about, terms=terms, owed=owed, due=due, why=why, outage=outage)


def _outage_review(outage: Outage, enrolment_id: str, ledger: Ledger) -> Case:
    owed = ledger.refund_of(enrolment_id)
    span = outage.measured_span or outage.reach
    doubts = sum(item.is_doubt for item in outage.measured)
    words = sum(item.anchor.grade == "C" and not item.is_doubt for item in outage.measured)
    terms = owed.terms() | {
        "outage": {"starts_at": format_instant(span.start), "ends_at": format_instant(span.end)},
        "stands_if_unanswered": any(
            item.anchor.kind == CLASS and item.anchor.grade in "AB" for item in outage.measured
        ),
    }
    due = review_deadline(ledger.as_of, ledger.policy.deadlines, ledger.is_working_day)
    why = (
        f"{_hours(span)} would be owed if {_many(words, 'time', 'times')} seen only by the client and "
        f"{_many(doubts, 'class', 'classes')} of unknown cause counted as the platform's: a person must look."
    )
    about = _lineage(outage, ledger)
    return _case(ledger, REVIEW, enrolment_id, about, terms=terms, owed=owed, due=due, why=why, outage=outage)


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _is_class_of(item: Placed, enrolment_id: str) -> bool:
    return item.anchor.kind == CLASS and item.enrolment_id == enrolment_id


def _lineage(outage: Outage, ledger: Ledger) -> tuple[str, Instant]:
    """Name the class or check of the earliest anchor, and when it began."""
    first = outage.placed[0].anchor
    begun = [record.starts_at for record in ledger.records if record.class_id == first.id]
    return first.id, min(begun, default=first.starts_at)


def _hours(span: Span) -> str:
    minutes, rest = divmod(span.length, MINUTE)
    seconds = f":{rest // SECOND:02d}" if rest else ""
    return f"{minutes // 60}:{minutes % 60:02d}{seconds} h"


def _case(  # noqa: PLR0913 - the parts of a case are what they are; one place puts them together
    ledger: Ledger,
    kind: str,
    enrolment_id: str,
    lineage: tuple[str, Instant],
    *,
    terms: Mapping[str, object],
    why: str,
    owed: Refund | None = None,
    due: Deadline | None = None,
    tier: str | None = None,
    outage: Outage | None = None,
) -> Case:
    return Case(
        case_key=case_key(kind, ledger.learner_id, enrolment_id, lineage[0]),
        kind=kind,
        tier=tier,
        learner_id=ledger.learner_id,
        enrolment_id=enrolment_id,
        lineage=lineage[0],
        lineage_at=lineage[1],
        amount_minor=None if owed is None else owed.money.minor,
        currency=None if owed is None else owed.money.currency,
        terms=terms,
        filed_at=ledger.as_of,
        due_target=None if due is None else due.target.isoformat(),
        due_limit=None if due is None else due.limit.isoformat(),
        due_provisional=due is not None and due.is_provisional,
        why=why,
        outage=outage,
    )


def _compensations(ledger: Ledger, enrolment_id: str) -> Iterator[Case]:
    """One remedy per lesson: linked sets first (T3), then single classes (T2), then degraded ones (T1)."""
    firm = ledger.firm_of(enrolment_id)
    for group in _linked([r for r in firm if r.verdict is Verdict.UNABLE_PLATFORM], ledger):
        is_linked = len(group) > 1 or _in_long_outage(group[0], ledger)
        yield _compensation(ledger, enrolment_id, "T3" if is_linked else "T2", group)
    for record in firm:
        if record.verdict is Verdict.UNKNOWN:
            yield _compensation(ledger, enrolment_id, "T2", [record])
        elif record.is_degraded_by_platform:
            yield _compensation(ledger, enrolment_id, "T1", [record])


def _compensation(ledger: Ledger, enrolment_id: str, tier: str, group: Sequence[ClassRecord]) -> Case:
    whole = 0 if tier == "T1" else len(group)
    terms = {
        "class_ids": [record.class_id for record in group],
        "lessons_credited": 0.5 if tier == "T1" else whole,
        "makeup_lessons": whole,
        "bonus_lessons": 1 if tier == "T3" else 0,
        "validity_extended_s": whole * ledger.policy.remedy.makeup_validity_days * DAY // SECOND,
    }
    lineage = (group[0].class_id, group[0].starts_at)
    why = {
        "T1": "The platform degraded the class: half a lesson is credited.",
        "T2": f"{_what(group[0])} the lesson is given back, with a make-up class.",
        "T3": f"The platform failed {_linked_words(group)} back, and one more.",
    }[tier]
    return _case(ledger, COMPENSATION, enrolment_id, lineage, terms=terms, tier=tier, why=why)


def _linked_words(group: Sequence[ClassRecord]) -> str:
    if len(group) == 1:
        return "a class in an outage of a day or more: the lesson is given"
    return f"{len(group)} classes close together: the lessons are given"


def _what(record: ClassRecord) -> str:
    if record.verdict is Verdict.UNKNOWN:
        return "Nobody can say why the class was lost:"
    return "The platform kept the learner out:"


def _linked(classes: Sequence[ClassRecord], ledger: Ledger) -> list[list[ClassRecord]]:
    """Link classes that begin close together, and those with CLASS anchors in one long outage that is not owed."""
    near = ledger.policy.remedy.linked_days * DAY
    links = [
        (index, index + 1)
        for index, (before, after) in enumerate(pairwise(classes))
        if after.starts_at - before.starts_at <= near
    ]
    for outage in _long_outages(ledger):
        ids = _class_ids(outage)
        links += pairwise(index for index, record in enumerate(classes) if record.class_id in ids)
    return [[classes[index] for index in group] for group in joined(len(classes), links)]


def _in_long_outage(record: ClassRecord, ledger: Ledger) -> bool:
    return any(record.class_id in _class_ids(outage) for outage in _long_outages(ledger))


def _long_outages(ledger: Ledger) -> Iterator[Outage]:
    least = ledger.policy.remedy.linked_outage_h * HOUR
    for outage in ledger.outages:
        if outage.answer is not AnswerKind.OWED and outage.ends_at - outage.starts_at >= least:
            yield outage


def _class_ids(outage: Outage) -> set[str]:
    return {item.anchor.id for item in outage.placed if item.anchor.kind == CLASS}


def _count_reviews(ledger: Ledger, enrolment_id: str) -> Iterator[Case]:
    """Call a person when an enrolment goes badly too often, though no outage joins it."""
    terms = ledger.policy.remedy
    since = ledger.as_of - terms.review_days * DAY
    recent = [
        record
        for record in ledger.firm_of(enrolment_id)
        if record.starts_at >= since and record.verdict is not Verdict.CANCELLED
    ][-terms.review_classes :]
    counted = set()
    for wanted, is_counted in (
        (terms.review_unable_platform, _is_unable_by_platform),
        (terms.review_bad, _is_bad_by_platform),
        (terms.review_unknown, _is_unknown),
    ):
        matching = [index for index, record in enumerate(recent) if is_counted(record)]
        if len(matching) >= wanted:
            counted.update(matching)
    if not counted:
        return
    first = recent[min(counted)]
    owed = ledger.refund_of(enrolment_id)
    row = owed.terms() | {"class_ids": [recent[index].class_id for index in sorted(counted)]}
    due = review_deadline(ledger.as_of, ledger.policy.deadlines, ledger.is_working_day)
    why = f"{len(counted)} of the last {len(recent)} classes went badly: a person must look."
    lineage = (first.class_id, first.starts_at)
    yield _case(ledger, REVIEW, enrolment_id, lineage, terms=row, owed=owed, due=due, why=why)


def _is_unable_by_platform(record: ClassRecord) -> bool:
    return record.verdict is Verdict.UNABLE_PLATFORM


def _is_bad_by_platform(record: ClassRecord) -> bool:
    return record.verdict is Verdict.UNABLE_PLATFORM or record.is_degraded_by_platform


def _is_unknown(record: ClassRecord) -> bool:
    return record.verdict is Verdict.UNKNOWN
