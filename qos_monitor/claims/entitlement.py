"""How much of what is owed was not claimed yet; pure, over the terms of cases and claims as JSON (SPEC 7)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qos_monitor.claims.ledger import CaseRow, ClaimRow
from qos_monitor.claims.lifecycle import GONE, ClaimKind
from rules.remedy import COMPENSATION, REFUND

Terms = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Demand:
    """What one claim asks for; ``amount_minor`` is None where it asks for lessons."""

    amount_minor: int | None
    currency: str | None
    terms: Terms


@dataclass(frozen=True, slots=True)
class Owed:
    """What one case of a judgement says is owed."""

    kind: str
    amount_minor: int | None
    currency: str | None
    terms: Terms


def unclaimed(owed: Owed, mine: Iterable[ClaimRow], all_of_enrolment: Iterable[CaseRow]) -> Demand | None:
    """Tell what is owed beyond what was claimed; None where nothing is.

    ``mine`` are the claims of the same case: money is compared with them. ``all_of_enrolment`` are the cases of the
    enrolment: a lesson is remedied once, whichever case claimed it. Claims that are superseded or withdrawn
    count for nothing; rejected ones were claimed. Less is never claimed back.
    """
    claims = [claim for claim in mine if _counts(claim)]
    if owed.kind == REFUND:
        return _money(owed, claims)
    if owed.kind == COMPENSATION:
        return _lessons(owed, claims, all_of_enrolment)
    return None if claims else Demand(owed.amount_minor, owed.currency, owed.terms)


def _counts(claim: ClaimRow) -> bool:
    return claim.state not in GONE and claim.kind is not ClaimKind.WITHDRAWAL


def _money(owed: Owed, claims: list[ClaimRow]) -> Demand | None:
    if not claims:
        return Demand(owed.amount_minor, owed.currency, owed.terms)
    if any(claim.currency != owed.currency for claim in claims):
        return None  # a person changed the enrolment's currency: the two cannot be compared
    before = sum(claim.amount_minor or 0 for claim in claims)
    more = (owed.amount_minor or 0) - before
    if more <= 0:
        return None
    terms = {**owed.terms, "owed_minor": owed.amount_minor, "claimed_before_minor": before}
    return Demand(more, owed.currency, terms)


def _lessons(owed: Owed, mine: list[ClaimRow], cases: Iterable[CaseRow]) -> Demand | None:
    wanted = halves(owed.terms)
    bonus_before = 0
    before: dict[str, int] = {}
    for case in cases:
        if case.kind != COMPENSATION:
            continue
        for claim in filter(_counts, case.claims):
            terms = claim.terms
            credited = halves(terms)
            for class_id, count in credited.items():
                before[class_id] = before.get(class_id, 0) + count
            if claim in mine or set(credited) & set(wanted):
                bonus_before += int(terms.get("bonus_lessons", 0))
    more = {name: count - before.get(name, 0) for name, count in wanted.items() if count > before.get(name, 0)}
    bonus = max(0, int(owed.terms.get("bonus_lessons", 0)) - bonus_before)
    if not more and not bonus:
        return None
    if not before and not bonus_before:
        return Demand(None, None, owed.terms)
    return Demand(None, None, _difference(owed.terms, wanted, more, bonus))


def _difference(terms: Terms, wanted: Mapping[str, int], more: Mapping[str, int], bonus: int) -> Terms:
    makeup = sum(1 for name in more if wanted[name] == 2)
    per_lesson = int(terms["validity_extended_s"]) // max(int(terms["makeup_lessons"]), 1)
    total = sum(more.values())
    return {
        "class_ids": sorted(more),
        "lessons_credited": total // 2 if total % 2 == 0 else total / 2,
        "half_lessons_by_class": dict(sorted(more.items())),
        "makeup_lessons": makeup,
        "bonus_lessons": bonus,
        "validity_extended_s": per_lesson * makeup,
    }


def halves(terms: Terms) -> dict[str, int]:
    """Tell how many half lessons the terms of a compensation credit for each class."""
    if "half_lessons_by_class" in terms:
        return {str(name): int(count) for name, count in terms["half_lessons_by_class"].items()}
    class_ids = terms.get("class_ids") or []
    total = round(2 * terms.get("lessons_credited", 0))
    return {str(name): total // len(class_ids) for name in class_ids}
