"""What happened to one participant in one class, slot by slot (SPEC 3)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from reference.reading import MINUTE, SECOND, Lesson, Seen

SLOT = 10 * SECOND


@dataclass
class ShutOut:
    """A time of wanting in, with the observation whose fault it carries."""

    start: int
    end: int
    told_by: Seen | None

    @property
    def fault(self) -> str:
        """The fault it carries."""
        return "unknown" if self.told_by is None else self.told_by.fault


@dataclass
class Evidence:
    """Everything seen of one participant, put in order."""

    sessions: list[tuple[int, int]] = field(default_factory=list)
    shut_outs: list[ShutOut] = field(default_factory=list)
    spans: list[Seen] = field(default_factory=list)
    failed: list[Seen] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    came: bool = False
    exists: bool = False


@dataclass
class Slot:
    """Ten seconds of a class, or what is left of them; the last three are filled in by attribution."""

    start: int
    end: int
    state: str = "AWAY"
    fault: str | None = None
    vantage: str | None = None
    shut_out: ShutOut | None = None
    side: str | None = None
    grade: str | None = None
    domain: str | None = None

    @property
    def length(self) -> int:
        """How long it is."""
        return self.end - self.start

    @property
    def is_lost(self) -> bool:
        """LOST or UNUSABLE."""
        return self.state in ("LOST", "UNUSABLE")


def first_known(told: Iterable[tuple[int, Seen | None]], lesson: Lesson) -> Seen | None:
    """Choose whose fault counts: server before client, then the earliest, then the platform's, then by domain."""
    known = [(at, seen) for at, seen in told if seen is not None and seen.fault != "unknown"]
    known.sort(key=lambda p: (p[1].vantage != "server", p[0], p[1].fault != "platform", lesson.blamed(p[1])))
    return known[0][1] if known else None


def evidence_of(lesson: Lesson, observations: Sequence[Seen]) -> Evidence:
    """Put in order what was seen of a learner, or of the teachers of a class."""

    def of_kind(kind: str) -> list[Seen]:
        return [seen for seen in observations if seen.kind == kind]

    def in_time(kind: str) -> list[Seen]:
        return [seen for seen in of_kind(kind) if lesson.a - 15 * MINUTE <= seen.at < lesson.b]

    joined, left = of_kind("joined"), of_kind("left")
    attempted, failed, spans = in_time("attempted"), in_time("join_failed"), of_kind("quality")
    sessions, openers, own_acts = _sessions(lesson, joined, left)
    openers += [(seen.at, seen) for seen in failed]
    openers += [
        (seen.at, seen)
        for seen in attempted
        if not any(seen.at <= entry.at <= seen.at + 60 * SECOND for entry in joined)
    ]
    return Evidence(
        sessions=sessions,
        shut_outs=_shut_outs(lesson, openers, [seen.at for seen in joined] + own_acts),
        spans=spans,
        failed=failed,
        tries=[seen.at for seen in (*attempted, *failed, *joined)],
        came=any(seen.at < lesson.b for seen in (*attempted, *failed, *joined, *left)),
        exists=any(seen.at < lesson.b for seen in (*attempted, *failed, *joined, *left, *spans)),
    )


Openers = list[tuple[int, Seen | None]]


def _sessions(lesson: Lesson, joined: list[Seen], left: list[Seen]) -> tuple[list[tuple[int, int]], Openers, list[int]]:
    """Give the sessions, the ends that open a shut-out with who tells their fault, and the ends by own act."""
    starts: dict[tuple[str, str | None], Seen] = {}
    for seen in sorted(joined, key=lambda seen: (seen.at, str(seen.who))):
        starts.setdefault((seen.source, seen.session), seen)
    ends = [seen for seen in left if _begun_before(starts, seen)]
    sessions: list[tuple[int, int]] = []
    openers: Openers = []
    own_acts: list[int] = []
    for key, start in starts.items():
        mine = [seen for seen in ends if (seen.source, seen.session) == key]
        end = max(seen.at for seen in mine) if mine else _inferred_end(lesson, start, joined, ends)
        told_by = first_known(((seen.at, seen) for seen in mine), lesson)
        sessions.append((start.at, end))
        if told_by is not None and told_by.fault == "learner":
            own_acts.append(end)
        else:
            openers.append((end, told_by))
    for key in {(seen.source, seen.session) for seen in left} - starts.keys():
        strays = [seen for seen in left if (seen.source, seen.session) == key]
        told_by = first_known(((seen.at, seen) for seen in strays), lesson)
        if told_by is None or told_by.fault != "learner":
            openers.append((max(seen.at for seen in strays), told_by))
    return sessions, openers, own_acts


def _begun_before(starts: dict[tuple[str, str | None], Seen], seen: Seen) -> bool:
    start = starts.get((seen.source, seen.session))
    return start is not None and seen.at > start.at


def _inferred_end(lesson: Lesson, start: Seen, joined: list[Seen], ends: list[Seen]) -> int:
    same = [s.at for s in joined if (s.source, s.who) == (start.source, start.who) and s.session != start.session]
    elsewhere = [seen.at for seen in ends if seen.who == start.who and seen.source != start.source]
    return max(start.at, min([lesson.b, *(at for at in same + elsewhere if at > start.at)]))


def _shut_outs(lesson: Lesson, openers: Openers, closers: list[int]) -> list[ShutOut]:
    groups: dict[int, Openers] = {}
    for at, seen in openers:
        end = min([closer for closer in closers if closer >= at] + [lesson.b])
        if end > at:
            groups.setdefault(end, []).append((at, seen))
    return [ShutOut(min(at for at, _ in group), end, first_known(group, lesson)) for end, group in groups.items()]


def received(seen: Seen, lesson: Lesson) -> str:
    """Say what state a quality span makes of a slot it covers."""
    m = seen.metrics
    unusable = (
        m.get("audio_frozen", 0) >= 0.30,
        lesson.visual and m.get("video_frozen", 0) >= 0.50,
        m.get("loss", 0) >= 0.20,
        m.get("rtt_ms", 0) >= 2000,
    )
    impaired = (
        m.get("audio_frozen", 0) >= 0.07,
        m.get("video_frozen", 0) >= 0.10,
        m.get("fps", 30) < 7,
        m.get("loss", 0) > 0.10,
        m.get("rtt_ms", 0) > 500,
        m.get("jitter_ms", 0) > 30,
        m.get("delay_ms", 0) > 400,
        not -185 <= m.get("av_offset_ms", 0) <= 90,
    )
    return "UNUSABLE" if any(unusable) else "IMPAIRED" if any(impaired) else "GOOD"


def slots_of(lesson: Lesson, evidence: Evidence, teacher_out: Sequence[bool] | None) -> list[Slot]:
    """Cut a class into slots and say of each what it was; ``teacher_out`` is None for the teacher."""
    spans = [(seen, received(seen, lesson)) for seen in evidence.spans if seen.at < lesson.b and seen.until > lesson.a]
    slots = [Slot(start, min(start + SLOT, lesson.b)) for start in range(lesson.a, lesson.b, SLOT)]
    for number, slot in enumerate(slots):
        middle = slot.start + slot.end  # doubled, so that it is whole
        if any(2 * start <= middle < 2 * end for start, end in evidence.sessions):
            states = {state for seen, state in spans if 2 * seen.at <= middle < 2 * seen.until}
            if teacher_out is not None and teacher_out[number]:
                states.add("UNUSABLE")
            slot.state = _worst(states, is_measured=bool(spans))
            slot.fault = "unknown" if slot.state == "UNUSABLE" else None
            continue
        for shut_out in evidence.shut_outs:
            if 2 * shut_out.start <= middle < 2 * shut_out.end:
                _lose(slot, shut_out, lesson)
    return slots


def _worst(states: set[str], *, is_measured: bool) -> str:
    for state in ("UNUSABLE", "IMPAIRED", "GOOD"):
        if state in states:
            return state
    return "UNOBSERVED" if is_measured else "GOOD"


def _lose(slot: Slot, shut_out: ShutOut, lesson: Lesson) -> None:
    slot.state, slot.fault, slot.shut_out = "LOST", shut_out.fault, shut_out
    if shut_out.told_by is not None:
        slot.vantage = shut_out.told_by.vantage
        if shut_out.fault == "platform":
            slot.domain = lesson.blamed(shut_out.told_by)


def call_off(lesson: Lesson, slots: list[Slot]) -> None:
    """Lose the rest of a class that was called off for a technical reason while it ran."""
    if lesson.off is None or lesson.off[1:] != ("platform", True) or not lesson.a <= lesson.off[0] < lesson.b:
        return
    for slot in slots:
        if slot.start + slot.end >= 2 * lesson.off[0]:
            slot.state, slot.fault, slot.vantage, slot.shut_out = "LOST", "platform", "server", None
            slot.domain = f"class:{lesson.id}"


def runs(slots: Iterable[Slot], wanted: Callable[[Slot], bool]) -> list[list[Slot]]:
    """Give the unbroken runs of the slots wanted."""
    found: list[list[Slot]] = []
    is_open = False
    for slot in slots:
        if not wanted(slot):
            is_open = False
        elif is_open:
            found[-1].append(slot)
        else:
            found.append([slot])
            is_open = True
    return found


def time(slots: Iterable[Slot], wanted: Callable[[Slot], bool]) -> int:
    """Measure how long the slots wanted last together."""
    return sum(slot.length for slot in slots if wanted(slot))
