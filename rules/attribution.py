"""Whose fault a loss was where no record says so: the room, the teacher, the cohort, the last mile (SPEC 4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from rules.evidence import LOGIN, Evidence, dimension_of, domain, is_access
from rules.observation import COHORT_DIMENSIONS, Fault
from rules.policy import AttributionTerms
from rules.slots import SlotStates
from rules.span import SECOND, Span
from rules.statistics import NOBODY, Count, faulty_among, is_faulty_alone, is_healthy

Vote: TypeAlias = Mapping[str, bool]
"""One learner's vote in one window: for each domain used, whether half of a class there was lost."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform's side, at this domain."""

    domain: str
    why: str


@dataclass(frozen=True, slots=True)
class LearnersSide:
    """The learner's side: a carrier (then with its domain) or the last mile."""

    domain: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Undetermined:
    """Nobody's: neither could be shown."""

    why: str


Answer: TypeAlias = Platform | LearnersSide | Undetermined


@dataclass(frozen=True, slots=True)
class Cohort:
    """What the other learners of the window tell, the judged one left out (SPEC 4.3).

    ``counts`` and ``usual`` (p0) are of every domain of the window; ``complements`` of the judged learner's domains
    are the voters who did not use them; ``reduced`` are the counts once the voters of a faulty network of theirs
    are removed. ``expected`` is the number of scheduled learners if the attendance deficit calls login faulty.
    """

    counts: Mapping[str, Count] = field(default_factory=dict)
    usual: Mapping[str, Fraction] = field(default_factory=dict)
    complements: Mapping[str, Count] = field(default_factory=dict)
    reduced: Mapping[str, Mapping[str, Count]] = field(default_factory=dict)
    expected: int | None = None


class Ballot:
    """The votes of one window; counts once, then answers for each learner without that learner's own vote."""

    def __init__(self, votes: Mapping[str, Vote]) -> None:
        self.votes = votes
        self.counts: dict[str, Count] = {}
        self._lost_anywhere: dict[str, int] = {}
        self._everybody = NOBODY
        self._reduced_by: dict[str, dict[str, Count]] = {}
        for vote in votes.values():
            lost_any = any(vote.values())
            self._everybody += Count(1, lost_any)
            for name, lost in vote.items():
                self.counts[name] = self.counts.get(name, NOBODY) + Count(1, lost)
                self._lost_anywhere[name] = self._lost_anywhere.get(name, 0) + lost_any

    def cohort(
        self,
        left_out: str | None,
        used: Iterable[str],
        usual: Mapping[str, Fraction],
        expected: int | None,
        terms: AttributionTerms,
    ) -> Cohort:
        """Give what the window tells one who used these domains, without the vote of the learner left out."""
        own = self.votes.get(left_out, {}) if left_out is not None else {}
        counts = {name: count - Count(1, own[name]) if name in own else count for name, count in self.counts.items()}
        mine = [name for name in sorted({LOGIN, *used}) if dimension_of(name) in COHORT_DIMENSIONS]
        complements = {name: self._complement(name, own) for name in mine}
        found = faulty_among(counts, usual, terms)
        reduced = {name: self._reduced(name) for name in mine if is_access(name) and name in found}
        return Cohort(counts, usual, complements, reduced, expected)

    def _complement(self, name: str, own: Vote) -> Count:
        users = Count(self.counts.get(name, NOBODY).voters, self._lost_anywhere.get(name, 0))
        others = self._everybody - users
        return others - Count(1, any(own.values())) if own and name not in own else others

    def _reduced(self, network: str) -> dict[str, Count]:
        """Count those who did not use this network: whoever is left out because they did is not among them anyway."""
        if network not in self._reduced_by:
            counts: dict[str, Count] = {}
            for vote in self.votes.values():
                if network not in vote:
                    for name, lost in vote.items():
                        counts[name] = counts.get(name, NOBODY) + Count(1, lost)
            self._reduced_by[network] = counts
        return self._reduced_by[network]


def cast(votes: dict[str, dict[str, bool]], learner_id: str, used: Iterable[str], *, lost_half: bool) -> None:
    """Add one class to a learner's vote: several classes in a window are one vote, lost in any is lost."""
    vote = votes.setdefault(learner_id, {})
    for name in {LOGIN, *used}:
        if dimension_of(name) in COHORT_DIMENSIONS:
            vote[name] = vote.get(name, False) or lost_half


@dataclass(frozen=True, slots=True)
class Seen:
    """What attribution looks at of the judged learner's own class."""

    class_id: str
    teacher_id: str
    evidence: Evidence
    used: frozenset[str]
    states: SlotStates
    teacher_slots: int
    """The teacher's slots that were unusable, or lost by the platform."""


def attribute(seen: Seen, room: Count, cohort: Cohort, terms: AttributionTerms) -> Answer:
    """Answer for one (learner, class) with lost or impaired time: the first rule that applies."""
    answer = _by_room(seen, room, terms) or _by_teacher(seen, terms)
    if answer is not None:
        return answer
    findings = _Findings(cohort, terms)
    answer = _by_cohort(seen, findings) or _by_last_mile(seen, findings)
    return answer or Undetermined(_unsettled(cohort, seen))


def login_fault(cohort: Cohort, terms: AttributionTerms) -> str | None:
    """Say in words why login was faulty for a learner who left no trace; None where it was not."""
    findings = _Findings(cohort, terms)
    return findings.told(LOGIN) if LOGIN in findings.faulty else None


def _by_room(seen: Seen, room: Count, terms: AttributionTerms) -> Answer | None:
    if room.voters < terms.room_others_min or room.share < terms.room_share:
        return None
    why = f"{room.lost} of the {room.voters} other learners seen in this class lost at least half of it."
    return Platform(domain("class", seen.class_id), why)


def _by_teacher(seen: Seen, terms: AttributionTerms) -> Answer | None:
    lost = seen.states.lost
    shared = (lost & seen.teacher_slots).bit_count()
    if not lost or shared < terms.teacher_share * lost.bit_count():
        return None
    why = f"The teacher was kept out or unusable in {shared} of the {lost.bit_count()} slots this learner lost."
    return Platform(domain("teacher", seen.teacher_id), why)


class _Findings:
    """The faulty domains of a cohort, and how they compare."""

    def __init__(self, cohort: Cohort, terms: AttributionTerms) -> None:
        self.cohort = cohort
        self.terms = terms
        found = faulty_among(cohort.counts, cohort.usual, terms)
        self.is_login_by_deficit_alone = cohort.expected is not None and LOGIN not in found
        self.faulty = found | {LOGIN} if self.is_login_by_deficit_alone else found

    def voters(self, name: str) -> int:
        if name == LOGIN and self.is_login_by_deficit_alone:
            return self.cohort.expected or 0
        return self.cohort.counts[name].voters

    def stands_apart(self, name: str) -> bool:
        """Say whether those who did not use the domain fared as usual."""
        if name == LOGIN and self.is_login_by_deficit_alone:
            return True
        return not is_faulty_alone(self.cohort.complements[name], self.cohort.usual[name], self.terms)

    def narrowest(self, names: Iterable[str]) -> str:
        """Choose the one with the fewest voters; equal: platform before network, then by name."""
        return min(names, key=lambda name: (self.voters(name), is_access(name), name))

    def widest(self, names: Iterable[str]) -> str:
        """Choose the one with the most voters, ties as before."""
        return min(names, key=lambda name: (-self.voters(name), is_access(name), name))

    def told(self, name: str) -> str:
        """Say in words what was counted."""
        if name == LOGIN and self.is_login_by_deficit_alone:
            return f"Of {self.cohort.expected} learners expected at that time far more than usual left no trace."
        count, usual = self.cohort.counts[name], self.cohort.usual[name]
        others = self.cohort.complements.get(name, NOBODY)
        rest = f"; of the {others.voters} who did not use it {others.lost} did" if others.voters else ""
        return (
            f"{count.voters} other learners used {name} at that time; {count.lost} lost at least half of a class, "
            f"where about 1 in {round(1 / usual)} usually does{rest}."
        )


def _by_cohort(seen: Seen, findings: _Findings) -> Answer | None:
    cohort = findings.cohort
    mine = findings.faulty & {LOGIN, *seen.used}
    if not mine:
        return None
    apart = [name for name in mine if findings.stands_apart(name)]
    chosen = findings.narrowest(apart) if apart else findings.widest(mine)
    if not is_access(chosen):
        return Platform(chosen, findings.told(chosen))
    without = Cohort(cohort.reduced.get(chosen, {}), cohort.usual, {}, {}, cohort.expected)
    remaining = _Findings(without, findings.terms)
    still = [name for name in remaining.faulty & mine if not is_access(name)]
    if still:
        narrowest = remaining.narrowest(still)
        return Platform(narrowest, f"{remaining.told(narrowest)} That is without the learners on {chosen}.")
    return LearnersSide(chosen, f"{findings.told(chosen)} It is the carrier, not the platform.")


def _by_last_mile(seen: Seen, findings: _Findings) -> Answer | None:
    cohort, terms = findings.cohort, findings.terms
    if not _shows_last_mile(seen, terms):
        return None
    platform = [name for name in sorted({LOGIN, *seen.used}) if not is_access(name)]
    if any(name in findings.faulty for name in platform):
        return None
    for name in platform:
        count = cohort.counts.get(name, NOBODY)
        if name in cohort.usual and is_healthy(count, cohort.usual[name], terms):
            why = (
                f"{count.voters} other learners used {name} at that time and {count.lost} of them lost half a class, "
                "as usual; this learner's own connection showed the trouble."
            )
            return LearnersSide(None, why)
    return None


def _shows_last_mile(seen: Seen, terms: AttributionTerms) -> bool:
    if any(failure.cause.fault is Fault.LEARNER for failure in seen.evidence.failures):
        return True
    before = terms.last_mile_before_s * SECOND
    return any(
        rough.meets(Span(run.start - before, run.start))
        for run in seen.states.grid.runs(seen.states.lost)
        for rough in seen.evidence.rough
    )


def _unsettled(cohort: Cohort, seen: Seen) -> str:
    counts = [cohort.counts[name].voters for name in {LOGIN, *seen.used} if name in cohort.counts]
    others = max(counts, default=0)
    if others == 1:
        return "One other learner shared a domain with this one at that time, which does not tell whose fault it was."
    if not others:
        return "No other learner shared a domain with this one at that time: nobody can say whose fault it was."
    return f"{others} other learners shared a domain with this one at that time; they do not tell whose fault it was."
