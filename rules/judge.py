"""The whole way as one function: a world in, a judgement out (SPEC 10)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rules.checks import checks_of
from rules.deadline import WorkingDay
from rules.dossier import Dossier
from rules.evidence import NOTHING, domain, gather
from rules.incident import DomainWindows
from rules.observation import Kind, Observation, Role, chosen
from rules.outage import Check, History, Outage, fold
from rules.past import Past
from rules.policy import Policy
from rules.record import ClassRecord
from rules.remedy import Case, Ledger, cases
from rules.span import MINUTE, Instant, Span, covered, format_instant, united
from rules.verdict import Verdict
from rules.window import (
    EXPECTED,
    ClassInputs,
    Surroundings,
    Usual,
    WindowJudgement,
    feed_share,
    judge_class,
    judge_window,
    window_of,
)
from rules.world import Enrolment, ScheduledClass, World, by_id, enrolment_finder


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts, outages and cases as they stood at ``as_of``, sorted as in SPEC 10."""

    rule_version: str
    as_of: Instant
    records: tuple[ClassRecord, ...]
    firm: frozenset[tuple[str, str]]
    """The (learner, class) pairs whose verdict is firm."""
    outages: tuple[Outage, ...]
    cases: tuple[Case, ...]

    def as_json(self) -> dict[str, object]:
        """Write the judgement as in SPEC 10."""
        return {
            "rule_version": self.rule_version,
            "as_of": format_instant(self.as_of),
            "verdicts": [
                record.as_verdict_json(firm=(record.learner_id, record.class_id) in self.firm)
                for record in self.records
            ],
            "outages": [outage.as_json() for outage in self.outages],
            "cases": [case.as_json() for case in self.cases],
        }


def judgement(
    records: Iterable[ClassRecord], outages: Iterable[Outage], found: Iterable[Case], as_of: Instant, policy: Policy
) -> Judgement:
    """Put a judgement together, sorted."""
    ordered = tuple(sorted(records, key=lambda r: (r.learner_id, r.starts_at, r.class_id)))
    return Judgement(
        rule_version=policy.rule_version,
        as_of=as_of,
        records=ordered,
        firm=frozenset((r.learner_id, r.class_id) for r in ordered if r.firm_at(policy) <= as_of),
        outages=tuple(sorted(outages, key=lambda o: (o.learner_id, o.starts_at, o.ends_at))),
        cases=tuple(
            sorted(found, key=lambda c: (c.learner_id, c.lineage_at, c.kind, c.enrolment_id, c.lineage)),
        ),
    )


def judge(world: World, as_of: Instant, policy: Policy, is_working_day: WorkingDay) -> Judgement:
    """Judge a world as it was known at ``as_of``.

    ``is_working_day`` says which dates count for deadlines and raises UnpublishedYear where nobody knows yet.
    """
    known = as_known(world, as_of)
    past = Past(policy)
    records: dict[str, list[ClassRecord]] = {}
    for window, judged in _windows(known, past, as_of, policy):
        past.add(window, judged.tallies)
        for record in judged.records:
            records.setdefault(record.learner_id, []).append(record)
    checks = checks_of(known.observations)
    enrolments: dict[str, list[Enrolment]] = {}
    for row in known.enrolments:
        enrolments.setdefault(row.learner_id, []).append(row)
    ends = class_ends(known.classes)
    outages: list[Outage] = []
    found: list[Case] = []
    for learner_id in sorted({*records, *(set(checks) & roster_learners(known))}):
        mine = records.get(learner_id, [])
        life = Life(
            learner_id, mine, checks.get(learner_id, ()), enrolments.get(learner_id, ()), ends.get(learner_id, ())
        )
        windows = {name: past.windows(name) for name in life.domains()}
        folded, owed = settle(life, windows, as_of, policy, is_working_day)
        outages.extend(folded)
        found.extend(owed)
    return judgement((r for mine in records.values() for r in mine), outages, found, as_of, policy)


@dataclass(frozen=True, slots=True)
class Life:
    """All of one learner's judged classes, checks, enrolments, and the ends of the classes scheduled."""

    learner_id: str
    records: Sequence[ClassRecord]
    checks: Sequence[Check]
    enrolments: Sequence[Enrolment]
    class_ends: Sequence[Instant]

    def domains(self) -> set[str]:
        """Name every domain whose windows the outages of this learner may ask for."""
        anchored = {anchor.domain for record in self.records for anchor in record.anchors}
        blamed = {check.cause_domain for check in self.checks if check.cause_domain is not None}
        doubted = {domain("provider", row.provider) for row in self.records if row.verdict is Verdict.UNKNOWN}
        return anchored | blamed | doubted


def settle(
    life: Life, windows: Mapping[str, DomainWindows], as_of: Instant, policy: Policy, is_working_day: WorkingDay
) -> tuple[list[Outage], list[Case]]:
    """Fold one learner's judged classes into outages, and find what is owed. ``windows`` are of `Life.domains`."""
    history = History(
        learner_id=life.learner_id,
        records=life.records,
        checks=life.checks,
        windows=windows,
        enrolled_at={row.id: row.starts_at for row in life.enrolments},
        class_ends=life.class_ends,
    )
    folded = fold(history, as_of, policy)
    enrolments = {row.id: row for row in life.enrolments}
    return folded, cases(Ledger(life.learner_id, life.records, folded, enrolments, as_of, policy, is_working_day))


def judge_learner(dossier: Dossier, as_of: Instant, policy: Policy, is_working_day: WorkingDay) -> Judgement:
    """Judge one learner from a dossier: the same answer as from the whole world it was cut from."""
    known = as_known(replace(dossier.roster, observations=dossier.observations), as_of)
    enrolment_of = enrolment_finder(known.enrolments)
    inputs = class_inputs(known, policy)
    records = list(dossier.settled)
    for row in known.classes:
        if as_of >= row.ends_at + policy.time.provisional_after_min * MINUTE:
            around = dossier.surroundings.get(row.id, Surroundings())
            enrolment = enrolment_of(dossier.learner_id, row)
            enrolment_id = None if enrolment is None else enrolment.id
            records.append(judge_class(inputs[row.id], dossier.learner_id, around, enrolment_id, policy))
    checks = checks_of(known.observations).get(dossier.learner_id, ())
    life = Life(dossier.learner_id, records, checks, known.enrolments, dossier.class_ends)
    outages, found = settle(life, dossier.windows, as_of, policy, is_working_day)
    return judgement(records, outages, found, as_of, policy)


def as_known(world: World, as_of: Instant) -> World:
    """Cut a world to what was known at an instant: recorded by then, one copy each, cancellations told by then."""
    observations = chosen(seen for seen in world.observations if seen.known_at <= as_of)
    classes = tuple(
        replace(row, cancelled=None) if row.cancelled is not None and row.cancelled.at > as_of else row
        for row in world.classes
    )
    return replace(world, classes=classes, observations=tuple(observations))


def roster_learners(world: World) -> set[str]:
    """Name everybody the roster knows as a learner."""
    return {name for row in world.classes for name in row.learner_ids} | {row.learner_id for row in world.enrolments}


def class_ends(classes: Iterable[ScheduledClass]) -> Mapping[str, list[Instant]]:
    """List, by learner, the ends of all scheduled classes."""
    ends: dict[str, list[Instant]] = {}
    for row in classes:
        for learner_id in row.learner_ids:
            ends.setdefault(learner_id, []).append(row.ends_at)
    return ends


def _windows(known: World, past: Past, as_of: Instant, policy: Policy) -> Iterable[tuple[Instant, WindowJudgement]]:
    """Judge window after window; ``past`` must have each before the next is asked for."""
    inputs = class_inputs(known, policy)
    enrolment_of = enrolment_finder(known.enrolments)
    groups: dict[Instant, list[ClassInputs]] = {}
    for row in sorted(known.classes, key=lambda row: row.id):
        groups.setdefault(window_of(row.starts_at, policy), []).append(inputs[row.id])
    for window, classes in sorted(groups.items()):
        yield window, judge_window(classes, usual_before(past, window), enrolment_of, as_of, policy)


def usual_before(past: Past, window: Instant) -> Usual:
    """Give the shares usual before a window."""
    return Usual(lambda name: past.usual(name, window), past.usual_absence(EXPECTED, window))


def class_inputs(
    known: World, policy: Policy, feeds: Mapping[str, tuple[Span, ...]] | None = None
) -> dict[str, ClassInputs]:
    """Merge the observations of every class into evidence; those of nobody on the roster count for nothing.

    ``feeds`` is when each source was alive, by a caller who keeps that; None reads it from the observations.
    """
    courses = by_id(known.courses)
    groups: dict[str, dict[str, list[Observation]]] = {}
    teachers: dict[str, list[Observation]] = {}
    for seen in known.observations:
        if seen.class_id is None or seen.participant_id is None:
            continue
        if seen.role is Role.TEACHER:
            teachers.setdefault(seen.class_id, []).append(seen)
        else:
            groups.setdefault(seen.class_id, {}).setdefault(seen.participant_id, []).append(seen)
    alive = feed_spans(known.observations) if feeds is None else feeds
    result = {}
    for row in known.classes:
        course = courses.get(row.course_id)
        visual = course is not None and course.visual_essential
        mine = groups.get(row.id, {})
        result[row.id] = ClassInputs(
            scheduled=row,
            evidence={
                name: gather(mine[name], row, policy, visual_essential=visual)
                for name in row.learner_ids
                if name in mine
            },
            teacher=gather(teachers[row.id], row, policy, visual_essential=visual) if row.id in teachers else NOTHING,
            feed_share=share_of_feed(alive, row),
        )
    return result


def feed_spans(observations: Iterable[Observation]) -> dict[str, tuple[Span, ...]]:
    """Unite the spans in which each source said that it was delivering."""
    spans: dict[str, list[Span]] = {}
    for seen in observations:
        if seen.kind is Kind.FEED_ALIVE and seen.until is not None:
            spans.setdefault(seen.source, []).append(Span(seen.at, seen.until))
    return {source: united(mine) for source, mine in spans.items()}


def share_of_feed(feeds: Mapping[str, tuple[Span, ...]], row: ScheduledClass) -> Fraction | None:
    """Give how much of a class its provider's feed covered; None where that never says it is alive."""
    spans = feeds.get(row.provider)
    return None if spans is None else feed_share(covered(spans, row.span), row)
