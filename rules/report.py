"""A judgement as a person reads it: per learner the classes, whose fault and why, the outages, what is owed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo

from rules.judge import Judgement
from rules.money import written
from rules.outage import Outage
from rules.record import ClassRecord
from rules.remedy import Case
from rules.span import HOUR, MINUTE, Instant, Span, format_instant

_WIDTH = 48  # cells of a time line

_WORDS = {
    "owed": "OWED",
    "not_yet": "not yet",
    "review": "a person must look",
    "clear": "clear",
}


def text(judgement: Judgement, zone: tzinfo = UTC) -> str:
    """Write the whole report, local times in ``zone``; the zone changes nothing but how times are written."""
    return "\n".join(_Report(judgement, zone).lines()) + "\n"


class _Report:
    def __init__(self, judgement: Judgement, zone: tzinfo) -> None:
        self.judgement = judgement
        self.zone = zone

    def lines(self) -> Iterator[str]:
        found = self.judgement
        yield f"Judged as of {format_instant(found.as_of)} by rule {found.rule_version}, times in {self._zone_name()}."
        learners = sorted({r.learner_id for r in found.records} | {o.learner_id for o in found.outages})
        if not learners:
            yield "No class has ended long enough ago to be judged."
        for learner_id in learners:
            yield ""
            yield from self._learner(learner_id)
        yield ""
        yield from self._summary()

    def _zone_name(self) -> str:
        return str(self.zone)

    def _learner(self, learner_id: str) -> Iterator[str]:
        yield f"Learner {learner_id}"
        for record in self.judgement.records:
            if record.learner_id == learner_id:
                yield from self._class(record)
        for outage in self.judgement.outages:
            if outage.learner_id == learner_id:
                yield from self._outage(outage)
        mine = [case for case in self.judgement.cases if case.learner_id == learner_id]
        for case in mine:
            yield from self._case(case)
        if not mine:
            yield "  owed: nothing"

    def _class(self, record: ClassRecord) -> Iterator[str]:
        is_firm = (record.learner_id, record.class_id) in self.judgement.firm
        by = f" by {record.by}" if record.verdict.value == "DEGRADED" and record.by else ""
        known = f", grade {record.grade}" if record.grade else ""
        where = f" at {record.domain}" if record.domain else ""
        state = "" if is_firm else " (provisional)"
        when = self._span(record.starts_at, record.ends_at)
        yield f"  class {record.class_id}  {when}  {record.verdict.value}{by}{where}{known}{state}"
        yield f"      {record.why}"

    def _outage(self, outage: Outage) -> Iterator[str]:
        hours = _hours(outage.ends_at - outage.starts_at)
        answer = _WORDS[outage.answer.value]
        again = "" if outage.look_again_at is None else f"; looked at again {self._at(outage.look_again_at)}"
        when = self._span(outage.starts_at, outage.ends_at)
        yield f"  outage {when}  {hours} at {', '.join(outage.domains)}: {answer}{again}"
        yield f"      |{_time_line(outage)}|  # dark, - nothing in between"
        for anchor in outage.anchors:
            what = "class" if anchor.kind == "CLASS" else "attempt"
            span = self._span(anchor.starts_at, anchor.ends_at)
            yield f"      {what} {anchor.id}  {span}  {anchor.domain}, grade {anchor.grade}"

    def _case(self, case: Case) -> Iterator[str]:
        amount = (
            ""
            if case.amount_minor is None or case.currency is None
            else f" {written(case.amount_minor, case.currency)}"
        )
        tier = f" {case.tier}" if case.tier else ""
        due = f", due {case.due_target}, at the latest {case.due_limit}" if case.due_target else ""
        maybe = " (provisional)" if case.due_provisional else ""
        yield f"  owed: {case.kind}{tier}{amount} for enrolment {case.enrolment_id}{due}{maybe}"
        yield f"      {case.why}"
        if "formula" in case.terms:
            used = ", ".join(f"{count} × {name}" for name, count in _counted(case))
            yield f"      {case.terms['formula']} = {case.amount_minor} minor units"
            yield f"      lessons used: {case.terms['lessons_used_before']} before" + (f"; {used}" if used else "")

    def _summary(self) -> Iterator[str]:
        sums: dict[str, int] = {}
        for case in self.judgement.cases:
            if case.kind == "refund" and case.amount_minor is not None and case.currency is not None:
                sums[case.currency] = sums.get(case.currency, 0) + case.amount_minor
        kinds = {kind: sum(case.kind == kind for case in self.judgement.cases) for kind in _KINDS}
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        paid = ", ".join(written(minor, currency) for currency, minor in sorted(sums.items())) or "none"
        judged, joined = len(self.judgement.records), len(self.judgement.outages)
        yield f"In all: {judged} verdicts, {joined} outages; {told}; refunds {paid}."

    def _at(self, at: Instant) -> str:
        return f"{datetime.fromtimestamp(at // 1000, self.zone):%a %Y-%m-%d %H:%M}"

    def _span(self, start: Instant, end: Instant) -> str:
        local = datetime.fromtimestamp(end // 1000, self.zone)
        is_same_day = datetime.fromtimestamp(start // 1000, self.zone).date() == local.date()
        return f"{self._at(start)}–{local:%H:%M}" if is_same_day else f"{self._at(start)} – {self._at(end)}"


_KINDS = ("refund", "compensation", "review")


def _counted(case: Case) -> Sequence[tuple[str, object]]:
    classes = case.terms.get("classes")
    return sorted(classes.items()) if isinstance(classes, dict) else ()


def _hours(length: int) -> str:
    return f"{length // HOUR} h {length % HOUR // MINUTE:02d} min"


def _time_line(outage: Outage) -> str:
    """Draw the outage in a fixed number of cells: ``#`` where an anchor lies, ``-`` where it is only bridged."""
    span = Span(outage.starts_at, outage.ends_at)
    cells = []
    for index in range(_WIDTH):
        cell = Span(span.start + span.length * index // _WIDTH, span.start + span.length * (index + 1) // _WIDTH)
        is_dark = any(cell.meets(Span(anchor.starts_at, anchor.ends_at)) for anchor in outage.anchors)
        cells.append("#" if is_dark else "-")
    return "".join(cells)
