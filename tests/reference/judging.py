"""What is owed, and the whole judgement as SPEC 10 writes it, without words and terms (SPEC 7, 8, 9)."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from json import dumps

from reference.cohorts import Cohorts
from reference.outages import Anchor, Life, Outage
from reference.reading import DAY, HOUR, Json, Known, Purchase, instant, written
from reference.verdicts import Verdict, judge_class

Row = dict[str, object]


def judge(world: Json, as_of: str) -> tuple[list[Row], list[Row], list[Row]]:
    """Judge a world: verdicts, outages and cases."""
    known = Known(world, instant(as_of))
    cohorts = Cohorts(known)
    verdicts = [judge_class(known, cohorts, who, lesson) for lesson in known.listed() for who in lesson.learners]
    verdicts.sort(key=lambda verdict: (verdict.who, verdict.lesson.a, verdict.lesson.id))
    outages: list[Row] = []
    cases: list[Row] = []
    for who in sorted(known.learners):
        life = Life(who, verdicts, known, cohorts)
        outages += [_outage_row(who, outage) for outage in sorted(life.outages, key=lambda o: (o.start, o.end))]
        cases += _Desk(life).cases()
    return [_verdict_row(verdict, known) for verdict in verdicts], outages, cases


def _verdict_row(verdict: Verdict, known: Known) -> Row:
    return {
        "learner_id": verdict.who,
        "class_id": verdict.lesson.id,
        "verdict": verdict.kind,
        "by": verdict.by,
        "grade": verdict.grade,
        "domain": verdict.domain,
        "shares": {name: float(share) for name, share in verdict.shares.items()},
        "firm": known.is_firm(verdict.lesson),
    }


def _outage_row(who: str, outage: Outage) -> Row:
    return {
        "learner_id": who,
        "starts_at": written(outage.start),
        "ends_at": written(outage.end),
        "domains": sorted(outage.domains),
        "anchors": [_anchor_row(anchor) for anchor in outage.anchors],
        "answer": outage.answer,
        "look_again_at": None if outage.look_again_at is None else written(outage.look_again_at),
    }


def _anchor_row(anchor: Anchor) -> Row:
    return {
        "id": anchor.id,
        "kind": anchor.kind,
        "starts_at": written(anchor.start),
        "ends_at": written(anchor.end),
        "domain": anchor.domain,
        "grade": anchor.grade,
    }


def due(filed: int, count: int) -> str:
    """Count working days, Monday to Friday, from the day of filing in Shanghai."""
    day = datetime.fromtimestamp(filed // 1000 + 8 * 3600, UTC).date()
    last: date = day + timedelta(days=15)
    while count and day < last:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day.isoformat()


def weight(verdict: Verdict) -> Fraction:
    """Say how much of a lesson a class used up."""
    if verdict.kind in ("UNABLE_PLATFORM", "UNKNOWN", "CANCELLED"):
        return Fraction(0)
    return Fraction(1, 2) if (verdict.kind, verdict.by) == ("DEGRADED", "platform") else Fraction(1)


class _Desk:
    """Makes the cases of one learner."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.known = life.known
        self.found: dict[str, tuple[tuple[int, str, str, str], Row]] = {}
        self.mine = [bought for bought in self.known.purchases if bought.learner == life.who]

    def cases(self) -> list[Row]:
        """Give every case, sorted; what ties is put in order of lineage."""
        refunded = self._settle_outages()
        for bought in self.mine:
            if bought.id not in refunded:
                firm = [v for v in self._verdicts(bought) if self.known.is_firm(v.lesson)]
                self._compensate(bought, firm)
                self._review_for_count(bought, firm)
        return [row for _, row in sorted(self.found.values(), key=lambda item: item[0])]

    def _settle_outages(self) -> set[str]:
        """Make the refunds and reviews of outages; name the enrolments refunded, each once."""
        refunded: set[str] = set()
        for outage in self.life.outages:
            first = outage.anchors[0]
            if outage.answer == "review" and outage.imagined is not None:
                for bought in self._affected(outage.imagined):
                    self._add("review", None, bought, first.id, first.lineage_at)
            elif outage.answer == "owed":
                new = [bought for bought in self._affected(outage) if bought.id not in refunded]
                refunded |= {bought.id for bought in new}
                for bought in new:
                    self._add("refund", None, bought, first.id, first.lineage_at)
        return refunded

    def _verdicts(self, bought: Purchase) -> list[Verdict]:
        return [v for v in self.life.verdicts if self.known.bought(v.who, v.lesson) is bought]

    def _affected(self, outage: Outage) -> list[Purchase]:
        now = self.known.T
        hit = {x.bought.id for x in outage.anchors if x.kind == "CLASS" and x.firm_at <= now and x.bought is not None}
        if outage.end - outage.start >= 168 * HOUR:
            for bought in self.mine:
                for verdict in self._verdicts(bought):
                    used = self.known.used(verdict.who, verdict.lesson) | {"login", f"account:{verdict.who}"}
                    hit |= {bought.id} if used & outage.domains else set()
        return [bought for bought in self.mine if bought.id in hit]

    def _amount(self, bought: Purchase) -> int:
        row = bought.row
        lessons = row["lessons_paid"] + row["lessons_gift"]
        used = Fraction(str(row["lessons_used_before"])) + sum(map(weight, self._verdicts(bought)), Fraction(0))
        left = max(row["paid_minor"] - row["price_refunded_minor"], 0)
        exact = row["paid_minor"] - row["price_minor"] * used / lessons - row["price_refunded_minor"]
        return int(min(max(-(-exact // 1), row["contract_refund_minor"] or 0, 0), left))

    def _add(self, kind: str, tier: str | None, bought: Purchase, lineage: str, start: int) -> None:
        about = dumps([kind, self.life.who, bought.id, lineage], separators=(",", ":"), ensure_ascii=False)
        key = sha256(about.encode()).hexdigest()
        is_money = kind != "compensation"
        target, limit = (3, 5) if kind == "refund" else (2, 2)
        row: Row = {
            "case_key": key,
            "kind": kind,
            "tier": tier,
            "learner_id": self.life.who,
            "enrolment_id": bought.id,
            "amount_minor": self._amount(bought) if is_money else None,
            "currency": bought.row["currency"] if is_money else None,
            "filed_at": written(self.known.T),
            "due_target": due(self.known.T, target) if is_money else None,
            "due_limit": due(self.known.T, limit) if is_money else None,
        }
        self.found.setdefault(key, ((start, kind, bought.id, lineage), row))

    def _compensate(self, bought: Purchase, firm: list[Verdict]) -> None:
        for verdict in firm:
            if verdict.kind == "UNKNOWN":
                self._add("compensation", "T2", bought, verdict.lesson.id, verdict.lesson.a)
            elif (verdict.kind, verdict.by) == ("DEGRADED", "platform"):
                self._add("compensation", "T1", bought, verdict.lesson.id, verdict.lesson.a)
        long = [
            {anchor.id for anchor in outage.anchors if anchor.kind == "CLASS"}
            for outage in self.life.outages
            if outage.answer != "owed" and outage.end - outage.start >= 24 * HOUR
        ]
        for group in _linked([v for v in firm if v.kind == "UNABLE_PLATFORM"], long):
            first = group[0].lesson
            is_linked = len(group) > 1 or any(first.id in ids for ids in long)
            self._add("compensation", "T3" if is_linked else "T2", bought, first.id, first.a)

    def _review_for_count(self, bought: Purchase, firm: list[Verdict]) -> None:
        since = self.known.T - 60 * DAY
        recent = [v for v in firm if v.kind != "CANCELLED" and since <= v.lesson.a < self.known.T][-10:]
        unable = [v for v in recent if v.kind == "UNABLE_PLATFORM"]
        degraded = [v for v in recent if (v.kind, v.by) == ("DEGRADED", "platform")]
        unknown = [v for v in recent if v.kind == "UNKNOWN"]
        counted = [unable] * (len(unable) >= 3) + [unable + degraded] * (len(unable + degraded) >= 5)
        counted += [unknown] * (len(unknown) >= 3)
        if counted:
            at, first = min((v.lesson.a, v.lesson.id) for group in counted for v in group)
            self._add("review", None, bought, first, at)


def _linked(unable: list[Verdict], long: Iterable[set[str]]) -> list[list[Verdict]]:
    """Link classes that begin within seven days, or stand in one long outage, and so on from class to class."""
    group = list(range(len(unable)))
    for first, x in enumerate(unable):
        for second in range(first + 1, len(unable)):
            y = unable[second]
            is_shared = any({x.lesson.id, y.lesson.id} <= ids for ids in long)
            if y.lesson.a - x.lesson.a <= 7 * DAY or is_shared:
                old, new = group[second], group[first]
                group = [new if g == old else g for g in group]
    return [[v for v, own in zip(unable, group, strict=True) if own == label] for label in sorted(set(group))]
