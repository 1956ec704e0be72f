"""What the learners of one half hour tell of each other (SPEC 4.3)."""

from fractions import Fraction
from math import comb

from reference.reading import DAY, Known, Lesson
from reference.slots import Evidence, Slot, call_off, evidence_of, slots_of, time

SIX = ("login", "provider", "region", "node", "client", "network")
Counts = dict[str, tuple[int, int]]


def dimension(domain: str) -> str:
    """Read the dimension of a domain."""
    return domain.split(":", 1)[0]


def tail(voters: int, lost: int, usual: Fraction) -> Fraction:
    """Sum the chance of so many lost, or more."""
    yes, whole = usual.numerator, usual.denominator
    terms = (comb(voters, k) * yes**k * (whole - yes) ** (voters - k) for k in range(lost, voters + 1))
    return Fraction(sum(terms), whole**voters)


def stands_out(count: tuple[int, int], usual: Fraction, least: int) -> bool:
    """Apply the counts of the fault test."""
    voters, lost = count
    return voters >= least and lost >= 3 and Fraction(lost, voters) >= max(Fraction(1, 5), 5 * usual)


def is_faulty(count: tuple[int, int], usual: Fraction, least: int) -> bool:
    """Apply the fault test, its tail not adjusted."""
    return stands_out(count, usual, least) and tail(*count, usual) <= Fraction(1, 100)


class Cohorts:
    """Evidence, slots and votes of everybody, and what they make of each domain in each window."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.evidence: dict[tuple[str, str], Evidence] = {}
        self.slots: dict[tuple[str, str], list[Slot]] = {}
        self.teacher_bad: dict[str, list[bool]] = {}
        self.lost_half: dict[tuple[str, str], bool] = {}
        self.votes: dict[int, dict[str, list[tuple[set[str], bool]]]] = {}
        for lesson in known.listed():
            self._look_at(lesson)
        self._history: dict[str, list[tuple[int, int, int]]] = {}
        self._usual: dict[tuple[str, int], Fraction] = {}
        self.faulty: set[tuple[str, int]] = set()
        self.healthy: set[tuple[str, int]] = set()
        self.deficit: dict[int, int] = {}
        self._absences: list[tuple[int, int, int]] = []
        for window in sorted({lesson.window for lesson in known.listed()}):
            self._weigh(window)

    def _look_at(self, lesson: Lesson) -> None:
        teacher = evidence_of(lesson, self.known.of_teacher.get(lesson.id, []))
        own = slots_of(lesson, teacher, None)
        out = [_kept_out(slot, teacher) for slot in own]
        self.teacher_bad[lesson.id] = [o or slot.state == "UNUSABLE" for o, slot in zip(out, own, strict=True)]
        for who in lesson.learners:
            evidence = evidence_of(lesson, self.known.of_learner.get((who, lesson.id), []))
            slots = slots_of(lesson, evidence, out)
            call_off(lesson, slots)
            lost = time(slots, lambda slot: slot.is_lost and slot.fault != "learner")
            self.evidence[who, lesson.id], self.slots[who, lesson.id] = evidence, slots
            self.lost_half[who, lesson.id] = 2 * lost >= lesson.length
            if evidence.exists and not lesson.was_off(before=lesson.a):
                vote = (self.voting(who, lesson), self.lost_half[who, lesson.id])
                self.votes.setdefault(lesson.window, {}).setdefault(who, []).append(vote)

    def voting(self, who: str, lesson: Lesson) -> set[str]:
        """Name the domains a learner votes on with a class."""
        return {name for name in self.known.used(who, lesson) if dimension(name) in SIX} | {"login"}

    def _weigh(self, window: int) -> None:
        expected, absent = self._attendance(window)
        old = [row for row in self._absences if window - 28 * DAY <= row[0] < window]
        usual = max(_rate(old), Fraction(5, 100))
        if is_faulty((expected, absent), usual, 20):
            self.deficit[window] = expected
        else:
            self._absences.append((window, expected, absent))
        counts = self.counts(window, frozenset())
        faulty = self.found_faulty(window, frozenset()) | ({"login"} if window in self.deficit else set())
        for name, count in counts.items():
            usual = self.usual(name, window)
            if name not in faulty:
                self._history.setdefault(name, []).append((window, *count))
                if self.is_healthy(count, usual):
                    self.healthy.add((name, window))
        self.faulty |= {(name, window) for name in faulty}

    def _attendance(self, window: int) -> tuple[int, int]:
        """Count the learners expected, and those of them of whom there is no trace."""
        traces: dict[str, bool] = {}
        for lesson in self.known.listed():
            if lesson.window == window and self.known.is_fed(lesson) and not lesson.was_off(before=lesson.b):
                for who in lesson.learners:
                    traces[who] = traces.get(who, False) or self.evidence[who, lesson.id].exists
        return len(traces), sum(not seen for seen in traces.values())

    def counts(self, window: int, without: frozenset[str]) -> Counts:
        """Count voters and lost of every domain, some learners left out."""
        counts: Counts = {}
        for who, votes in self.votes.get(window, {}).items():
            if who not in without:
                for name in {name for names, _ in votes for name in names}:
                    voters, lost = counts.get(name, (0, 0))
                    counts[name] = (voters + 1, lost + any(half for names, half in votes if name in names))
        return counts

    def usual(self, name: str, window: int) -> Fraction:
        """Give p0 of a domain before a window."""
        if (name, window) not in self._usual:
            old = [row for row in self._history.get(name, []) if window - 28 * DAY <= row[0] < window]
            self._usual[name, window] = min(max(_rate(old), Fraction(5, 1000)), Fraction(4, 100))
        return self._usual[name, window]

    def found_faulty(self, window: int, without: frozenset[str]) -> set[str]:
        """Find the faulty domains of a window, adjusted for how many were tested."""
        counts = {name: count for name, count in self.counts(window, without).items() if count[0] >= 5}
        if not any(stands_out(count, self.usual(name, window), 5) for name, count in counts.items()):
            return set()
        tails = {name: tail(*count, self.usual(name, window)) for name, count in counts.items()}
        ranked = sorted(tails, key=lambda name: tails[name])
        found: set[str] = set()
        for rank, name in enumerate(ranked, start=1):
            best = min(tails[other] * len(ranked) / place for place, other in enumerate(ranked, 1) if place >= rank)
            if best <= Fraction(1, 100) and stands_out(counts[name], self.usual(name, window), 5):
                found.add(name)
        return found

    @staticmethod
    def is_healthy(count: tuple[int, int], usual: Fraction) -> bool:
        """Say whether a domain was well."""
        return count[0] >= 20 and Fraction(count[1], count[0]) <= max(2 * usual, Fraction(3, 100))

    def complement_is_faulty(self, name: str, window: int, without: frozenset[str]) -> bool:
        """Say whether those who did not use a domain fared as badly."""
        others = [
            any(half for _, half in votes)
            for who, votes in self.votes.get(window, {}).items()
            if who not in without and not any(name in names for names, _ in votes)
        ]
        return is_faulty((len(others), sum(others)), self.usual(name, window), 5)


def _kept_out(slot: Slot, teacher: Evidence) -> bool:
    if slot.state != "LOST" or slot.shut_out is None:
        return False
    begun = slot.shut_out.start
    return slot.fault == "platform" or (slot.fault == "unknown" and any(at >= begun for at in teacher.tries))


def _rate(rows: list[tuple[int, int, int]]) -> Fraction:
    voters, lost = sum(row[1] for row in rows), sum(row[2] for row in rows)
    return Fraction(lost, voters) if voters else Fraction(0)
