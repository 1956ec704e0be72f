"""Sessions, shut-outs and the state of every slot of a class (SPEC 3)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from rules.evidence import Cause, Entry, Evidence, Exit, domain
from rules.observation import Fault, Vantage
from rules.policy import Policy
from rules.span import SECOND, Grid, Instant, Span
from rules.world import ScheduledClass

UNKNOWN_CAUSE: Cause = Cause(Fault.UNKNOWN, Vantage.SERVER, None)

_FAULT_ORDER = {Fault.PLATFORM: 0, Fault.LEARNER: 1, Fault.UNKNOWN: 2}


@dataclass(frozen=True, slots=True)
class Session:
    """A stay in the room, and whose fault its end was."""

    span: Span
    cause: Cause


@dataclass(frozen=True, slots=True)
class ShutOut:
    """A time of wanting in and not being in, with the one cause it carries."""

    span: Span
    cause: Cause


@dataclass(frozen=True, slots=True)
class LostPiece:
    """The lost slots of one shut-out."""

    slots: int
    shut_out: ShutOut


@dataclass(frozen=True, slots=True)
class SlotStates:
    """Every slot of one participant in one class, by state; the sets are disjoint and cover the class."""

    grid: Grid
    good: int
    impaired: int
    unusable: int
    unobserved: int
    away: int
    pieces: tuple[LostPiece, ...]

    @property
    def locked_out(self) -> int:
        """The slots in state LOST."""
        return _united(piece.slots for piece in self.pieces)

    @property
    def lost(self) -> int:
        """LOST and UNUSABLE: lost time."""
        return self.locked_out | self.unusable

    @property
    def lost_but_by_learner(self) -> int:
        """Lost slots whose fault, as observed, is not the learner's."""
        return self.unusable | _united(p.slots for p in self.pieces if p.shut_out.cause.fault is not Fault.LEARNER)


def sessions(evidence: Evidence, ends_at: Instant) -> list[Session]:
    """List the stays: each from its earliest ``joined`` to its latest ``left``, or to what closes it instead."""
    starts = _starts(evidence)
    ends = _ends(evidence, starts)
    stays = []
    for key, start in starts.items():
        if key in ends:
            last = max(exit_.at for exit_ in ends[key])
            stays.append(Session(Span(start.at, last), earliest_known((e.at, e.cause) for e in ends[key])))
        else:
            closes_at = min([ends_at, *_closers(start, evidence, ends)])
            stays.append(Session(Span(start.at, max(start.at, closes_at)), UNKNOWN_CAUSE))
    return stays


def _closers(start: Entry, evidence: Evidence, ends: dict[tuple[str, str], list[Exit]]) -> Iterator[Instant]:
    """Give the instants that close a session without a ``left``: a new one there, or the end of one elsewhere."""
    for entry in evidence.entries:
        is_same_line = (entry.source, entry.participant_id) == (start.source, start.participant_id)
        if is_same_line and entry.session != start.session and entry.at > start.at:
            yield entry.at
    for (source, _), exits in ends.items():
        if source != start.source:
            yield from (e.at for e in exits if e.participant_id == start.participant_id and e.at > start.at)


def _starts(evidence: Evidence) -> dict[tuple[str, str], Entry]:
    """Find the earliest ``joined`` of every session."""
    starts: dict[tuple[str, str], Entry] = {}
    for entry in evidence.entries:
        key = (entry.source, entry.session)
        if key not in starts or entry < starts[key]:
            starts[key] = entry
    return starts


def _ends(evidence: Evidence, starts: dict[tuple[str, str], Entry]) -> dict[tuple[str, str], list[Exit]]:
    """Collect the ``left``s that count: those after the ``joined`` of their own session."""
    ends: dict[tuple[str, str], list[Exit]] = {}
    for exit_ in evidence.exits:
        start = starts.get((exit_.source, exit_.session))
        if start is not None and exit_.at > start.at:
            ends.setdefault((exit_.source, exit_.session), []).append(exit_)
    return ends


def _orphans(evidence: Evidence) -> Iterator[tuple[Instant, Cause]]:
    """Give the instant and the cause of the latest ``left`` of each session that has no ``joined``."""
    begun = {(entry.source, entry.session) for entry in evidence.entries}
    strays = sorted(
        (exit_ for exit_ in evidence.exits if (exit_.source, exit_.session) not in begun),
        key=lambda exit_: (exit_.source, exit_.session),
    )
    for _, group in groupby(strays, key=lambda exit_: (exit_.source, exit_.session)):
        exits = list(group)
        yield max(exit_.at for exit_ in exits), earliest_known((exit_.at, exit_.cause) for exit_ in exits)


def earliest_known(causes: Iterable[tuple[Instant, Cause]]) -> Cause:
    """Choose among causes: a server's before a client's, then the earliest; a tie goes to the platform's."""
    known = [(at, cause) for at, cause in causes if cause.fault is not Fault.UNKNOWN]
    if not known:
        return UNKNOWN_CAUSE
    return min(known, key=_precedence)[1]


def _precedence(item: tuple[Instant, Cause]) -> tuple[bool, Instant, int, str]:
    at, cause = item
    return (cause.vantage is not Vantage.SERVER, at, _FAULT_ORDER[cause.fault], cause.domain or "")


def shut_outs(evidence: Evidence, stays: Iterable[Session], ends_at: Instant, grace_ms: int) -> list[ShutOut]:
    """List the times of wanting in: openers up to the same closing instant are one shut-out."""
    entered = sorted(entry.at for entry in evidence.entries)
    ended = list(stays)
    own_acts = [stay.span.end for stay in ended if stay.cause.fault is Fault.LEARNER]
    closers = sorted({*entered, *own_acts})
    openers = [(failure.at, failure.cause) for failure in evidence.failures]
    openers += [(tried.at, tried.cause) for tried in evidence.attempts if not _followed(tried.at, entered, grace_ms)]
    openers += [(stay.span.end, stay.cause) for stay in ended if stay.cause.fault is not Fault.LEARNER]
    openers += [(at, cause) for at, cause in _orphans(evidence) if cause.fault is not Fault.LEARNER]
    groups: dict[Instant, list[tuple[Instant, Cause]]] = {}
    for at, cause in openers:
        index = bisect_left(closers, at)
        closes_at = closers[index] if index < len(closers) else ends_at
        if at < min(closes_at, ends_at):
            groups.setdefault(min(closes_at, ends_at), []).append((at, cause))
    return [
        ShutOut(Span(min(at for at, _ in group), closes_at), earliest_known(group))
        for closes_at, group in sorted(groups.items())
    ]


def _followed(at: Instant, entered: list[Instant], grace_ms: int) -> bool:
    return bisect_left(entered, at) < bisect_right(entered, at + grace_ms)


def states(evidence: Evidence, scheduled: ScheduledClass, policy: Policy, teacher_dark: int | None) -> SlotStates:
    """Decide the state of every slot of this participant.

    ``teacher_dark`` is the set of slots in which the teacher could not be in the room (`teacher_out`); None where
    the participant is the teacher, whose own slots no cancellation rewrites either.
    """
    grid = Grid(scheduled.span, policy.time.slot_s * SECOND)
    stays = sessions(evidence, scheduled.ends_at)
    present = _united(grid.mask(stay.span) for stay in stays)
    pieces: list[LostPiece] = []
    taken = 0
    called_off = None if teacher_dark is None else _called_off(scheduled)
    if called_off is not None:
        taken = grid.mask(called_off.span)
        pieces.append(LostPiece(taken, called_off))
    present &= ~taken
    unusable = present & ((teacher_dark or 0) | evidence.unusable)
    impaired = present & evidence.impaired & ~unusable
    good = present & ~unusable & ~impaired
    unobserved = good & ~evidence.covered if evidence.is_measured else 0
    taken |= present
    for shut_out in shut_outs(evidence, stays, scheduled.ends_at, policy.evidence.attempt_grace_s * SECOND):
        slots = grid.mask(shut_out.span) & ~taken
        if slots:
            pieces.append(LostPiece(slots, shut_out))
            taken |= slots
    return SlotStates(grid, good & ~unobserved, impaired, unusable, unobserved, grid.all & ~taken, tuple(pieces))


def _called_off(scheduled: ScheduledClass) -> ShutOut | None:
    """Give what a technical cancellation by the platform makes of the rest of a class that had begun (SPEC 5.1)."""
    cancelled = scheduled.cancelled
    if cancelled is None or not (cancelled.by == "platform" and cancelled.is_technical):
        return None
    if not scheduled.span.holds(cancelled.at):
        return None
    cause = Cause(Fault.PLATFORM, Vantage.SERVER, domain("class", scheduled.id))
    return ShutOut(Span(cancelled.at, scheduled.ends_at), cause)


def teacher_out(evidence: Evidence, teacher: SlotStates) -> int:
    """Give the slots in which the platform kept the teacher out (SPEC 3, 1a).

    LOST by the platform's fault, or by an unknown fault if the teacher tried to enter at or after that shut-out
    began; a teacher who went and never tried again is not the platform's doing.
    """
    tried = [
        *(tried.at for tried in evidence.attempts),
        *(tried.at for tried in evidence.failures),
        *(entry.at for entry in evidence.entries),
    ]
    last_try = max(tried, default=None)
    dark = 0
    for piece in teacher.pieces:
        fault = piece.shut_out.cause.fault
        came_back = last_try is not None and last_try >= piece.shut_out.span.start
        if fault is Fault.PLATFORM or (fault is Fault.UNKNOWN and came_back):
            dark |= piece.slots
    return dark


def _united(sets: Iterable[int]) -> int:
    union = 0
    for slots in sets:
        union |= slots
    return union
