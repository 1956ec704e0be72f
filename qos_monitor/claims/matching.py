"""Which case of a judgement is which case we already have; pure (SPEC 7: found twice, it is one case)."""

from collections.abc import Sequence
from dataclasses import dataclass

from qos_monitor.claims.ledger import CaseRow
from qos_monitor.claims.lifecycle import CaseState
from rules.remedy import COMPENSATION, REFUND, REVIEW, Case
from rules.span import Span, parse_instant

OPEN: frozenset[CaseState] = frozenset(
    {CaseState.CANDIDATE, CaseState.FILED, CaseState.ACCEPTED, CaseState.SUPPLEMENTED, CaseState.HELD}
)
"""States of a case that can still change by itself or by its claims."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Each case of the judgement with the row it is, or None; and the rows the judgement no longer finds."""

    pairs: tuple[tuple[Case, CaseRow | None], ...]
    lost: tuple[CaseRow, ...]


def match(found: Sequence[Case], rows: Sequence[CaseRow]) -> Matching:
    """Match the cases of one learner; refunds come first, because they absorb the others.

    The same key is the same case. Otherwise the older case survives where both are about the same trouble: of the
    same learner, enrolment and kind, with outages that overlap, or for compensation and count reviews with a class
    in common. An enrolment is refunded once: an open refund of it is the same, whatever outage it was found by.
    """
    ordered = sorted(found, key=lambda case: case.kind != REFUND)
    pairs = tuple((case, _row_of(case, rows)) for case in ordered)
    kept = {row.case_key for _, row in pairs if row is not None}
    return Matching(pairs, tuple(row for row in rows if row.case_key not in kept and not row.is_dead))


def _row_of(case: Case, rows: Sequence[CaseRow]) -> CaseRow | None:
    same = [row for row in rows if row.kind == case.kind and row.enrolment_id == case.enrolment_id]
    exact = next((row for row in same if row.case_key == case.case_key), None)
    if exact is not None and not exact.is_dead:
        return exact
    alive = [row for row in same if not row.is_dead]
    for row in alive:
        if _is_same_trouble(case, row):
            return row
    if case.kind == REFUND:
        for row in alive:
            if row.state in OPEN:
                return row
    return exact


def _is_same_trouble(case: Case, row: CaseRow) -> bool:
    if case.kind == COMPENSATION:
        return shares_class(case, row)
    theirs = outage_span(row)
    if case.outage is None or theirs is None:
        is_both_by_count = case.kind == REVIEW and case.outage is None and theirs is None
        return is_both_by_count and row.state in OPEN and shares_class(case, row)
    return theirs.meets(Span(case.outage.starts_at, case.outage.ends_at))


def shares_class(case: Case, row: CaseRow) -> bool:
    """Say whether both name a class in their terms."""
    mine, theirs = case.terms.get("class_ids"), row.body["terms"].get("class_ids")
    return isinstance(mine, list) and isinstance(theirs, list) and bool(set(mine) & set(theirs))


def outage_span(row: CaseRow) -> Span | None:
    """Read the outage a case was last found by; None where it is about no outage."""
    outage = row.body.get("outage")
    if outage is None:
        return None
    return Span(parse_instant(outage["starts_at"]), parse_instant(outage["ends_at"]))
