"""Joins a learner's dead screens into outages, and answers for each (SPEC 6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reference.cohorts import Cohorts
from reference.reading import HOUR, MINUTE, SECOND, Known, Purchase, blamed, domain_of
from reference.slots import runs, time
from reference.verdicts import Verdict, heaviest


@dataclass(frozen=True)
class Anchor:
    """An anchor; ``lineage_at`` is when its class or check began."""

    start: int
    end: int
    id: str
    domain: str
    grade: str
    kind: str
    firm_at: int
    lineage_at: int
    bought: Purchase | None = field(default=None, compare=False)
    is_doubt: bool = False

    @property
    def order(self) -> tuple[int, int, str, str, str]:
        """By what anchors are sorted."""
        return (self.start, self.end, self.id, self.domain, self.grade)


@dataclass(frozen=True)
class Recovery:
    """A recovery, the learner's own or a cohort's."""

    start: int
    end: int
    is_own: bool
    domains: frozenset[str]
    bought: Purchase | None = None

    def speaks_for(self, anchor: Anchor) -> bool:
        """Say whether it is about the anchor's trouble."""
        is_same = self.is_own and self.bought is not None and anchor.bought is self.bought
        return anchor.domain in self.domains or is_same


@dataclass
class Outage:
    """An outage; ``imagined`` is what it would be with every doubt against the platform."""

    anchors: list[Anchor]
    start: int
    end: int
    answer: str = ""
    look_again_at: int | None = None
    imagined: "Outage | None" = None

    @property
    def domains(self) -> set[str]:
        """The domains of its anchors."""
        return {anchor.domain for anchor in self.anchors}


def anchors_of(verdict: Verdict, known: Known) -> Iterable[Anchor]:
    """Give the anchors of a judged class."""
    lesson = verdict.lesson
    bought = known.bought(verdict.who, lesson)

    def anchor(kind: str, start: int, end: int, grade: str | None, domain: str | None) -> Anchor:
        firm_at = lesson.b + 6 * HOUR
        return Anchor(start, end, lesson.id, domain or "", grade or "", kind, firm_at, lesson.a, bought)

    if verdict.is_whole:
        yield anchor("CLASS", lesson.a, lesson.b, verdict.grade, verdict.domain)
    elif verdict.kind == "UNABLE_PLATFORM":
        for run in runs(verdict.slots, lambda slot: slot.is_lost and slot.side != "learner"):
            start = run[0].start
            if start == lesson.a and run[0].shut_out is not None:
                start = min(start, max(run[0].shut_out.start, lesson.a - 15 * MINUTE))
            yield anchor("CLASS", start, run[-1].end, verdict.grade, verdict.domain)
    else:
        for run in runs(verdict.slots, lambda slot: slot.is_lost and slot.side == "platform"):
            if run[-1].end - run[0].start >= 10 * MINUTE:
                yield anchor("ATTEMPT", run[0].start, run[-1].end, *heaviest(run, "platform"))


def recoveries_of(verdict: Verdict, known: Known) -> Iterable[Recovery]:
    """Give the recoveries within a judged class."""
    lesson, who = verdict.lesson, verdict.who
    if verdict.is_whole:
        return
    domains = known.used(who, lesson) | {"login", f"account:{who}", f"teacher:{lesson.teacher}"}
    least = min(20 * MINUTE, lesson.length)  # doubled
    for run in runs(verdict.slots, lambda slot: slot.state in ("GOOD", "IMPAIRED")):
        if 2 * time(run, lambda _: True) >= least:
            bought = known.bought(who, lesson)
            yield Recovery(run[0].start, run[-1].end, is_own=True, domains=frozenset(domains), bought=bought)


class Life:
    """One learner's anchors and recoveries, joined."""

    def __init__(self, who: str, verdicts: Sequence[Verdict], known: Known, cohorts: Cohorts) -> None:
        self.who = who
        self.known = known
        self.cohorts = cohorts
        self.verdicts = [verdict for verdict in verdicts if verdict.who == who]
        anchors = [anchor for verdict in self.verdicts for anchor in anchors_of(verdict, known)]
        recoveries = [recovery for verdict in self.verdicts for recovery in recoveries_of(verdict, known)]
        for seen in known.checks.get(who, []):
            domains = {domain_of(*item) for item in seen.domains.items()}
            domains |= {f"provider:{seen.source}"} if "provider" not in seen.domains else set()
            if seen.kind == "check_passed":
                spoken = frozenset(domains | {"login", f"account:{who}"})
                recoveries.append(Recovery(seen.at, seen.at + SECOND, is_own=True, domains=spoken))
            elif seen.fault == "platform":
                grade = "A" if seen.vantage == "server" else "C"
                name = blamed(seen, {"account": who}, seen.source)
                firm_at = seen.at + 6 * HOUR
                anchors.append(Anchor(seen.at, seen.at + SECOND, seen.id, name, grade, "ATTEMPT", firm_at, seen.at))
        recoveries += [
            Recovery(window, window + HOUR, is_own=False, domains=frozenset({name}))
            for name, window in cohorts.healthy
            if (name, window + 30 * MINUTE) in cohorts.healthy
        ]
        self.recoveries = recoveries
        self.outages, self.valid = self.joined(anchors)
        doubts, doubted_valid = self.joined([*anchors, *self._doubts()])
        for outage in self.outages:
            outage.imagined = next(other for other in doubts if outage.anchors[0] in other.anchors)
            self._answer(outage, doubted_valid)

    def _doubts(self) -> list[Anchor]:
        found = []
        for verdict in self.verdicts:
            lesson = verdict.lesson
            if verdict.kind == "UNKNOWN" and self.known.is_firm(lesson):
                name, bought = f"provider:{lesson.provider}", self.known.bought(self.who, lesson)
                firm_at = lesson.b + 6 * HOUR
                found.append(
                    Anchor(lesson.a, lesson.b, lesson.id, name, "B", "CLASS", firm_at, lesson.a, bought, is_doubt=True)
                )
        return found

    def joined(self, anchors: Sequence[Anchor]) -> tuple[list[Outage], list[Recovery]]:
        """Join anchors into outages; also give the recoveries that stand."""
        valid = [
            r
            for r in self.recoveries
            if not any(r.speaks_for(x) and r.start <= x.start <= r.start + 30 * MINUTE for x in anchors)
        ]
        ordered = sorted(anchors, key=lambda anchor: anchor.order)
        group = list(range(len(ordered)))
        for first, x in enumerate(ordered):
            for second in range(first + 1, len(ordered)):
                if _are_joined(x, ordered[second], valid):
                    old, new = group[second], group[first]
                    group = [new if g == old else g for g in group]
        outages = []
        for label in sorted(set(group)):
            mine = [anchor for anchor, own in zip(ordered, group, strict=True) if own == label]
            outages.append(Outage(mine, *self.widened(mine, valid)))
        return _made_one(outages), valid

    def widened(self, anchors: Sequence[Anchor], valid: Sequence[Recovery]) -> tuple[int, int]:
        """Measure a set of anchors, widened by the incidents they stand in."""
        low = min(anchor.start for anchor in anchors)
        high = max(anchor.end for anchor in anchors)
        start, end = low, high
        begun = [anchor.bought.start for anchor in anchors if anchor.bought is not None]
        for name in {anchor.domain for anchor in anchors}:
            mine = [anchor for anchor in anchors if anchor.domain == name]
            walls = [r for r in valid if r.is_own and any(r.speaks_for(anchor) for anchor in mine)]
            for begins, ends in self._incidents(name):
                if any(anchor.start < ends and begins < anchor.end for anchor in mine):
                    floor = [begins, *(r.end for r in walls if r.start < low)]
                    start = min(start, max([*floor, *([min(begun)] if begun else [])]))
                    end = max(end, min([ends, *(r.start for r in walls if r.end > high)]))
        return start, end

    def _incidents(self, name: str) -> list[tuple[int, int]]:
        healthy = [window for domain, window in self.cohorts.healthy if domain == name]
        found: list[tuple[int, int]] = []
        for window in sorted(window for domain, window in self.cohorts.faulty if domain == name):
            end = window + 30 * MINUTE
            last = found[-1][1] if found else None
            if last is not None and window - last <= 12 * HOUR and not any(last <= well < window for well in healthy):
                found[-1] = (found[-1][0], end)
            else:
                found.append((window, end))
        return found

    def _is_owed(self, outage: Outage, valid: Sequence[Recovery], grades: str) -> bool:
        strong = [x for x in outage.anchors if x.firm_at <= self.known.T and x.grade in grades]
        if not any(anchor.kind == "CLASS" for anchor in strong):
            return False
        start, end = self.widened(strong, valid)
        starts = [anchor.start for anchor in strong]
        was_widened = (start, end) != (min(starts), max(anchor.end for anchor in strong))
        return end - start >= 48 * HOUR and (max(starts) - min(starts) >= HOUR or was_widened)

    def _answer(self, outage: Outage, doubted_valid: Sequence[Recovery]) -> None:
        now = self.known.T
        if self._is_owed(outage, self.valid, "AB"):
            outage.answer = "owed"
        elif outage.imagined is not None and self._is_owed(outage.imagined, doubted_valid, "ABC"):
            outage.answer = "review"
        elif all(x.firm_at <= now for x in outage.anchors) and (
            now >= outage.end + 192 * HOUR or self._has_recovered(outage)
        ):
            outage.answer = "clear"
        else:
            outage.answer = "not_yet"
            moments = [outage.end + 192 * HOUR, *(anchor.firm_at for anchor in outage.anchors)]
            mine = [lesson for lesson in self.known.lessons.values() if self.who in lesson.learners]
            moments += [lesson.b + wait for lesson in mine for wait in (15 * MINUTE, 6 * HOUR)]
            outage.look_again_at = min(at for at in moments if at > now)

    def _has_recovered(self, outage: Outage) -> bool:
        since = [r for r in self.valid if outage.end <= r.start <= self.known.T - 30 * MINUTE]
        return all(any(r.speaks_for(x) for r in since) for x in outage.anchors)


def _are_joined(x: Anchor, y: Anchor, valid: Sequence[Recovery]) -> bool:
    between = [r for r in valid if x.end <= r.start < y.start]
    if x.domain == y.domain:
        return y.start - x.end <= 192 * HOUR and not any(r.speaks_for(x) for r in between)
    return y.start - x.end <= 72 * HOUR and not any(r.is_own or x.domain in r.domains for r in between)


def _made_one(outages: list[Outage]) -> list[Outage]:
    """Make one of those that overlap."""
    whole: list[Outage] = []
    for outage in sorted(outages, key=lambda o: (o.start, o.end)):
        if whole and outage.start < whole[-1].end:
            last = whole.pop()
            anchors = sorted(last.anchors + outage.anchors, key=lambda anchor: anchor.order)
            whole.append(Outage(anchors, last.start, max(last.end, outage.end)))
        else:
            whole.append(outage)
    return whole
