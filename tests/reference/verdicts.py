"""Whose fault each lost slot was, and what the class was for the learner (SPEC 4, 5)."""

from dataclasses import dataclass, field
from fractions import Fraction

from reference.cohorts import Cohorts, dimension
from reference.reading import MINUTE, Known, Lesson
from reference.slots import Slot, runs, time


@dataclass
class Verdict:
    """The judgement of one (learner, class); ``is_whole``: presumed, or called off before it began."""

    who: str
    lesson: Lesson
    slots: list[Slot]
    kind: str = ""
    by: str | None = None
    grade: str | None = None
    domain: str | None = None
    is_whole: bool = False
    shares: dict[str, Fraction] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What section 4 says: a side, or nobody's."""

    side: str | None = None
    domain: str | None = None


class Attribution:
    """Answers for the classes with lost or impaired time."""

    def __init__(self, known: Known, cohorts: Cohorts) -> None:
        self.known = known
        self.cohorts = cohorts

    def answer(self, who: str, lesson: Lesson) -> Answer:
        """Give the first answer that applies."""
        others = [o for o in lesson.learners if o != who and self.cohorts.evidence[o, lesson.id].exists]
        if len(others) >= 3 and 2 * sum(self.cohorts.lost_half[o, lesson.id] for o in others) >= len(others):
            return Answer("platform", f"class:{lesson.id}")
        slots = self.cohorts.slots[who, lesson.id]
        bad = self.cohorts.teacher_bad[lesson.id]
        lost = [number for number, slot in enumerate(slots) if slot.is_lost]
        if lost and 2 * sum(bad[number] for number in lost) >= len(lost):
            return Answer("platform", f"teacher:{lesson.teacher}")
        return self._by_others(who, lesson)

    def _by_others(self, who: str, lesson: Lesson) -> Answer:
        window, me = lesson.window, frozenset([who])
        mine = self.cohorts.voting(who, lesson)
        found = self.cohorts.found_faulty(window, me)
        faulty = (mine & found) | ({"login"} if window in self.cohorts.deficit else set())
        if not faulty:
            return self._last_mile(who, lesson)
        counts = self.cohorts.counts(window, me)

        def voters(name: str) -> int:
            return counts[name][0] if name in found else self.cohorts.deficit[window]

        clean = [n for n in faulty if n not in found or not self.cohorts.complement_is_faulty(n, window, me)]
        if clean:
            chosen = min(clean, key=lambda n: (voters(n), dimension(n) == "network", n))
        else:
            chosen = min(faulty, key=lambda n: (-voters(n), dimension(n) == "network", n))
        if dimension(chosen) != "network":
            return Answer("platform", chosen)
        return self._without_the_carrier(chosen, faulty, window, me)

    def _without_the_carrier(self, carrier: str, faulty: set[str], window: int, me: frozenset[str]) -> Answer:
        votes = self.cohorts.votes.get(window, {})
        gone = me | {who for who, mine in votes.items() if any(carrier in names for names, _ in mine)}
        counts, found = self.cohorts.counts(window, gone), self.cohorts.found_faulty(window, gone)
        still = [(counts[name][0], name) for name in faulty & found if dimension(name) != "network"]
        if "login" in faulty - found and window in self.cohorts.deficit:
            still.append((self.cohorts.deficit[window], "login"))
        return Answer("platform", min(still)[1]) if still else Answer("learner", carrier)

    def _last_mile(self, who: str, lesson: Lesson) -> Answer:
        counts = self.cohorts.counts(lesson.window, frozenset([who]))
        well = [
            name
            for name in self.cohorts.voting(who, lesson)
            if dimension(name) != "network"
            and name in counts
            and self.cohorts.is_healthy(counts[name], self.cohorts.usual(name, lesson.window))
        ]
        return Answer("learner") if well and self._shows_it(who, lesson) else Answer()

    def _shows_it(self, who: str, lesson: Lesson) -> bool:
        evidence = self.cohorts.evidence[who, lesson.id]
        if any(seen.fault == "learner" for seen in evidence.failed):
            return True
        starts = [run[0].start for run in runs(self.cohorts.slots[who, lesson.id], lambda slot: slot.is_lost)]
        rough = [s for s in evidence.spans if s.metrics.get("loss", 0) >= 0.10 or s.metrics.get("rtt_ms", 0) >= 500]
        return any(seen.at < start and seen.until > start - MINUTE for seen in rough for start in starts)


def put_on_sides(slots: list[Slot], answer: Answer) -> None:
    """Put every lost slot on a side: a fault that is carried stays, the rest takes the answer."""
    for slot in slots:
        if slot.is_lost and slot.fault == "unknown":
            slot.side, slot.domain = answer.side, answer.domain
            slot.grade = "B" if answer.side else None
        elif slot.is_lost:
            slot.side = slot.fault
            slot.grade = "A" if slot.vantage == "server" else "C"
            if slot.side == answer.side == "platform" and slot.grade == "C":
                slot.grade = "B"


def heaviest(slots: list[Slot], side: str | None) -> tuple[str | None, str | None]:
    """Give the grade and domain that hold most of the time lost on a side; both None where none was."""
    held: dict[tuple[str | None, str | None], int] = {}
    for slot in slots:
        if slot.is_lost and slot.side == side:
            held[slot.grade, slot.domain] = held.get((slot.grade, slot.domain), 0) + slot.length
    return min(held, key=lambda k: (-held[k], k[0] or "Z", k[1] or ""), default=(None, None))


def judge_class(known: Known, cohorts: Cohorts, who: str, lesson: Lesson) -> Verdict:
    """Judge one (learner, class)."""
    slots = cohorts.slots[who, lesson.id]
    answer = Answer()
    if any(slot.is_lost or slot.state == "IMPAIRED" for slot in slots):
        answer = Attribution(known, cohorts).answer(who, lesson)
    put_on_sides(slots, answer)
    verdict = Verdict(who, lesson, slots, shares=_shares(slots, lesson))
    _decide(verdict, answer, known, cohorts)
    if verdict.is_whole:
        verdict.shares = dict.fromkeys(verdict.shares, Fraction(0)) | {"lost_platform": Fraction(1)}
    return verdict


def _shares(slots: list[Slot], lesson: Lesson) -> dict[str, Fraction]:
    times = {
        "usable": time(slots, lambda slot: slot.state in ("GOOD", "IMPAIRED")),
        "away": time(slots, lambda slot: slot.state == "AWAY"),
        "lost_platform": time(slots, lambda slot: slot.is_lost and slot.side == "platform"),
        "lost_learner": time(slots, lambda slot: slot.is_lost and slot.side == "learner"),
        "lost_unknown": time(slots, lambda slot: slot.is_lost and slot.side is None),
        "unobserved": time(slots, lambda slot: slot.state == "UNOBSERVED"),
    }
    return {name: Fraction(length, lesson.length) for name, length in times.items()}


def _decide(verdict: Verdict, answer: Answer, known: Known, cohorts: Cohorts) -> None:
    lesson = verdict.lesson
    at, by, is_technical = lesson.off or (lesson.b, "", False)
    by_fault = by == "platform" and is_technical
    if at < lesson.a and by_fault:
        verdict.kind, verdict.by, verdict.is_whole = "UNABLE_PLATFORM", "platform", True
        verdict.grade, verdict.domain = "A", f"class:{lesson.id}"
    elif at < lesson.a or (at < lesson.b and by != "learner" and not by_fault):
        verdict.kind = "CANCELLED"
    elif cohorts.evidence[verdict.who, lesson.id].came:
        _weigh(verdict, answer)
    elif not known.is_fed(lesson):
        verdict.kind = "UNKNOWN"
    elif ("login", lesson.window) in cohorts.faulty:
        verdict.kind, verdict.by, verdict.is_whole = "UNABLE_PLATFORM", "platform", True
        verdict.grade, verdict.domain = "B", "login"
    else:
        verdict.kind = "NO_SHOW"


def _weigh(verdict: Verdict, answer: Answer) -> None:
    share, length = verdict.shares, verdict.lesson.length
    impaired = Fraction(time(verdict.slots, lambda slot: slot.state == "IMPAIRED"), length)
    platform, learner, unknown = share["lost_platform"], share["lost_learner"], share["lost_unknown"]
    dark = (platform + learner + unknown + share["unobserved"]) * length
    little = Fraction(5 * MINUTE) if length >= 20 * MINUTE else Fraction(length, 4)
    half = Fraction(1, 2)
    if (share["usable"] >= Fraction(4, 5) or dark < little) and impaired < half:
        verdict.kind = "ATTENDED"
    elif share["unobserved"] + unknown > Fraction(3, 10) and share["usable"] < half and platform < half:
        verdict.kind = "UNKNOWN"
    elif share["usable"] >= half:
        _degrade(verdict, answer, impaired)
    elif unknown > max(platform, learner + share["away"]):
        verdict.kind = "UNKNOWN"
    else:
        verdict.by = "platform" if platform >= learner + share["away"] else "learner"
        verdict.kind = f"UNABLE_{verdict.by.upper()}"
        verdict.grade, verdict.domain = heaviest(verdict.slots, verdict.by)


def _degrade(verdict: Verdict, answer: Answer, impaired: Fraction) -> None:
    verdict.kind = "DEGRADED"
    held = {side: verdict.shares[f"lost_{side or 'unknown'}"] for side in ("platform", None, "learner")}
    held[answer.side] += impaired
    most = max(held.values())
    verdict.by = next(side for side, part in held.items() if part == most) if most else None
    if verdict.by is None:
        return
    verdict.grade, verdict.domain = heaviest(verdict.slots, verdict.by)
    if not any(slot.is_lost and slot.side == verdict.by for slot in verdict.slots):
        verdict.grade, verdict.domain = "B", answer.domain
