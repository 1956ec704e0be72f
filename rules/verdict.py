"""One learner, one class: what happened, by whose fault, and what that leaves behind for outages (SPEC 5, 6)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from rules.attribution import Answer, LearnersSide, Platform
from rules.evidence import LOGIN, Evidence, domain
from rules.observation import Fault
from rules.policy import Policy
from rules.slots import SlotStates
from rules.span import MINUTE, Grid, format_instant
from rules.world import ScheduledClass


class Verdict(StrEnum):
    """What a class was for a learner."""

    ATTENDED = "ATTENDED"
    DEGRADED = "DEGRADED"
    UNABLE_PLATFORM = "UNABLE_PLATFORM"
    UNABLE_LEARNER = "UNABLE_LEARNER"
    NO_SHOW = "NO_SHOW"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


PLATFORM: str = "platform"
LEARNER: str = "learner"


@dataclass(frozen=True, slots=True)
class Loss:
    """Lost slots with the side they are put on; ``side`` is None where it stays undetermined."""

    slots: int
    side: str | None
    grade: str | None
    domain: str | None


@dataclass(frozen=True, slots=True)
class Shares:
    """How the class divides, by time, in milliseconds; they sum to its length."""

    usable: int
    away: int
    lost_platform: int
    lost_learner: int
    lost_unknown: int
    unobserved: int

    def as_json(self) -> dict[str, float]:
        """Write the shares of 1 as in SPEC 10."""
        names = ("usable", "away", "lost_platform", "lost_learner", "lost_unknown", "unobserved")
        total = sum(getattr(self, name) for name in names)
        return {name: getattr(self, name) / total for name in names}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the verdict of one (learner, class) rests on, before it is one."""

    scheduled: ScheduledClass
    evidence: Evidence
    states: SlotStates
    losses: tuple[Loss, ...]
    answer: Answer | None
    """What section 4 said; None where nothing was lost or impaired."""

    def slots_of(self, side: str | None) -> int:
        """Unite the lost slots put on this side."""
        slots = 0
        for loss in self.losses:
            if loss.side == side:
                slots |= loss.slots
        return slots

    def shares(self) -> Shares:
        """Measure how the class divides."""
        states, length = self.states, self.states.grid.length
        return Shares(
            usable=length(states.good | states.impaired),
            away=length(states.away),
            lost_platform=length(self.slots_of(PLATFORM)),
            lost_learner=length(self.slots_of(LEARNER)),
            lost_unknown=length(self.slots_of(None)),
            unobserved=length(states.unobserved),
        )


def divide(states: SlotStates, answer: Answer | None) -> tuple[Loss, ...]:
    """Put every lost slot on a side: a fault that is carried stays, the rest takes the answer of section 4."""
    losses = []
    unknown = states.unusable
    for piece in states.pieces:
        cause = piece.shut_out.cause
        if cause.fault is Fault.UNKNOWN:
            unknown |= piece.slots
        elif cause.fault is Fault.LEARNER:
            losses.append(Loss(piece.slots, LEARNER, cause.grade, None))
        else:
            grade = "B" if cause.grade == "C" and isinstance(answer, Platform) else cause.grade
            losses.append(Loss(piece.slots, PLATFORM, grade, cause.domain))
    if unknown:
        losses.append(_resolved(unknown, answer))
    return tuple(losses)


def _resolved(slots: int, answer: Answer | None) -> Loss:
    match answer:
        case Platform(domain=name):
            return Loss(slots, PLATFORM, "B", name)
        case LearnersSide(domain=name):
            return Loss(slots, LEARNER, "B", name)
        case _:
            return Loss(slots, None, None, None)


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict itself."""

    verdict: Verdict
    by: str | None
    grade: str | None
    domain: str | None
    shares: Shares
    why: str
    is_presumed: bool = False


def find(
    outcome: Outcome, feed_share: Fraction | None, login_is_faulty: str | None, policy: Policy, *, has_come: bool
) -> Finding:
    """Decide the verdict (SPEC 5, first match wins).

    ``feed_share`` is how much of the class the provider's feed covered, None where it never sends `feed_alive`;
    ``login_is_faulty`` is the reason in words where login was faulty in the class's window, else None.
    """
    called_off = _called_off(outcome)
    if called_off is not None:
        return called_off
    if not has_come:
        return _absent(outcome, feed_share, login_is_faulty, policy)
    return _weighed(outcome, policy)


def _called_off(outcome: Outcome) -> Finding | None:
    scheduled = outcome.scheduled
    cancelled = scheduled.cancelled
    if cancelled is None or cancelled.at >= scheduled.ends_at:
        return None
    when = f"cancelled at {format_instant(cancelled.at)} by {_who(cancelled.by)}"
    is_technical = cancelled.by == PLATFORM and cancelled.is_technical
    if cancelled.at < scheduled.starts_at:
        if not is_technical:
            return Finding(Verdict.CANCELLED, None, None, None, outcome.shares(), f"The class was {when}.")
        name = domain("class", scheduled.id)
        why = f"The class was {when} for a technical reason, before it began."
        return Finding(Verdict.UNABLE_PLATFORM, PLATFORM, "A", name, _all_lost(scheduled), why, is_presumed=True)
    if is_technical or cancelled.by == LEARNER:
        return None
    return Finding(Verdict.CANCELLED, None, None, None, outcome.shares(), f"The class was {when}, while it ran.")


def _who(by: str) -> str:
    return "mutual consent" if by == "mutual" else f"the {by}"


def _all_lost(scheduled: ScheduledClass) -> Shares:
    return Shares(0, 0, scheduled.span.length, 0, 0, 0)


def _absent(outcome: Outcome, feed_share: Fraction | None, login_is_faulty: str | None, policy: Policy) -> Finding:
    shares = outcome.shares()
    if feed_share is not None and feed_share < policy.attribution.feed_share:
        why = (
            f"No sign of the learner, and the provider's feed covered only {_percent(feed_share)} of the class: "
            "nobody can say."
        )
        return Finding(Verdict.UNKNOWN, None, None, None, shares, why)
    if login_is_faulty is not None:
        why = f"No sign of the learner, and nobody could get in: {login_is_faulty}"
        lost = _all_lost(outcome.scheduled)
        return Finding(Verdict.UNABLE_PLATFORM, PLATFORM, "B", LOGIN, lost, why, is_presumed=True)
    return Finding(Verdict.NO_SHOW, None, None, None, shares, "No sign that the learner tried to come.")


def _weighed(outcome: Outcome, policy: Policy) -> Finding:
    terms = policy.verdict
    shares = outcome.shares()
    length = outcome.scheduled.span.length
    usable, platform = Fraction(shares.usable, length), Fraction(shares.lost_platform, length)
    impaired = Fraction(outcome.states.grid.length(outcome.states.impaired), length)
    dark = shares.lost_platform + shares.lost_learner + shares.lost_unknown + shares.unobserved
    is_short = length < terms.short_class_min * MINUTE
    lost_few = 4 * dark < length if is_short else dark < terms.attended_lost_min * MINUTE
    if (usable >= terms.attended_usable_share or lost_few) and impaired < terms.impaired_share:
        return _finding(outcome, Verdict.ATTENDED, None)
    unclear = Fraction(shares.unobserved + shares.lost_unknown, length)
    is_clear = usable >= terms.usable_share or platform >= terms.platform_share
    if unclear > terms.unknown_share and not is_clear:
        return _finding(outcome, Verdict.UNKNOWN, None)
    if usable >= terms.usable_share:
        return _finding(outcome, Verdict.DEGRADED, _degraded_by(outcome, shares))
    learner = shares.lost_learner + shares.away
    if shares.lost_unknown > max(shares.lost_platform, learner):
        return _finding(outcome, Verdict.UNKNOWN, None)
    if shares.lost_platform >= learner:
        return _finding(outcome, Verdict.UNABLE_PLATFORM, PLATFORM)
    return _finding(outcome, Verdict.UNABLE_LEARNER, LEARNER)


def _degraded_by(outcome: Outcome, shares: Shares) -> str | None:
    """Name who holds most of the lost and impaired time; equal: the platform first, the learner last."""
    impaired = outcome.states.grid.length(outcome.states.impaired)
    platform, learner, nobody = shares.lost_platform, shares.lost_learner, shares.lost_unknown
    match outcome.answer:
        case Platform():
            platform += impaired
        case LearnersSide():
            learner += impaired
        case _:
            nobody += impaired
    most = max(platform, learner, nobody)
    if not most or (nobody == most and platform < most):
        return None
    return PLATFORM if platform == most else LEARNER


def _finding(outcome: Outcome, verdict: Verdict, by: str | None) -> Finding:
    grade, name = _most_lost(outcome, by)
    return Finding(verdict, by, grade, name, outcome.shares(), _why(outcome, verdict, by))


def _most_lost(outcome: Outcome, side: str | None) -> tuple[str | None, str | None]:
    """Give the grade and domain that hold most lost time on this side; both None where it is nobody's."""
    if side is None:
        return None, None
    grid = outcome.states.grid
    best = heaviest((loss for loss in outcome.losses if loss.side == side), grid, grid.all)
    if best is not None:
        return best
    match outcome.answer:  # impaired time only: the answer of section 4 is what blames
        case Platform(domain=name) if side == PLATFORM:
            return "B", name
        case LearnersSide(domain=name) if side == LEARNER:
            return "B", name
        case _:
            return None, None


def heaviest(losses: Iterable[Loss], grid: Grid, within: int) -> tuple[str | None, str | None] | None:
    """Give the grade and domain that hold most time of these losses within a set of slots; None where none do.

    Equal time: the better grade, then the name.
    """
    held: dict[tuple[str, str], int] = {}
    for loss in losses:
        key = (loss.grade or "", loss.domain or "")
        held[key] = held.get(key, 0) + grid.length(loss.slots & within)
    times = {key: time for key, time in held.items() if time}
    if not times:
        return None
    grade, name = min(times, key=lambda key: (-times[key], key))
    return grade or None, name or None


def _why(outcome: Outcome, verdict: Verdict, by: str | None) -> str:
    shares, length = outcome.shares(), outcome.scheduled.span.length
    parts = [
        f"{_percent(Fraction(time, length))} {words}"
        for time, words in (
            (shares.usable, "usable"),
            (shares.lost_platform, "lost by the platform"),
            (shares.lost_learner, "lost on the learner's side"),
            (shares.lost_unknown, "lost with no one shown to be at fault"),
            (shares.unobserved, "unobserved"),
            (shares.away, "away"),
        )
        if time
    ]
    impaired = outcome.states.grid.length(outcome.states.impaired)
    if impaired:
        parts.append(f"{_percent(Fraction(impaired, length))} of it impaired")
    sentence = f"Of the class {', '.join(parts)}."
    if verdict is Verdict.ATTENDED:
        return sentence
    return " ".join((sentence, *_reasons(outcome, by)))


def _reasons(outcome: Outcome, by: str | None) -> Iterator[str]:
    grade, name = _most_lost(outcome, by)
    if by == PLATFORM and name and grade in ("A", "C"):
        teller = "The server's record" if grade == "A" else "Only the client"
        yield f"{teller} puts it on {name}."
    was_asked = any(loss.grade in ("B", None) for loss in outcome.losses) or outcome.states.impaired
    if outcome.answer is not None and was_asked:
        yield outcome.answer.why


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):.4g} %"
