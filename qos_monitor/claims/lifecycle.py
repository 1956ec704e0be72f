"""The life of a case and of its claims as two tables of legal moves, and the law that ties one to the other.

A claim is one message to the refund system. A case has one claim, then one more for each supplement or
withdrawal. The state of a case follows from its claims (`settled`), except that a person's attention can be asked
for: `held`. What is paid is paid: no claim leaves `paid`, and a case that was paid can only come to owe more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from qos_monitor.errors import QosError


class CaseState(StrEnum):
    """Where a case stands (SPEC 7)."""

    CANDIDATE = "candidate"
    """Made, but not let go: its claim waits for a person (the breaker). New evidence supersedes it silently."""
    FILED = "filed"
    """Its claim is on its way; or a refund failed and the case is open again."""
    ACCEPTED = "accepted"
    PAID = "paid"
    HELD = "held"
    """Waits for a person; what was not sent is not sent meanwhile."""
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    SUPPLEMENTED = "supplemented"
    """A further claim for what more is owed is on its way; of a review: a refund was filed in its place."""


class ClaimState(StrEnum):
    """Where one claim stands."""

    WAITING = "waiting"
    READY = "ready"
    """To be sent, or sent and to be sent again."""
    ACCEPTED = "accepted"
    PARKED = "parked"
    """The refund system will not have it, or could not be reached for too long: a person must look."""
    STOPPED = "stopped"
    """The refund system said 410: nothing is sent until a person lets this claim go again."""
    PAID = "paid"
    REJECTED = "rejected"
    FAILED = "failed"
    """Accepted, but the refund did not come through: a person must look."""
    SUPERSEDED = "superseded"
    """Never sent and no longer due, or filed anew as a later version."""
    WITHDRAWN = "withdrawn"


class ClaimKind(StrEnum):
    """What a claim asks for."""

    REFUND = "refund"
    COMPENSATION = "compensation"
    REVIEW = "review"
    SUPPLEMENT = "supplement"
    WITHDRAWAL = "withdrawal"


class IllegalMove(QosError):  # noqa: N818 - an answer to whoever asked for the move
    """A case or claim cannot go from where it is to where somebody wants it."""


_C, _M = CaseState, ClaimState

CASE_MOVES: Mapping[CaseState, frozenset[CaseState]] = MappingProxyType(
    {
        _C.CANDIDATE: frozenset({_C.FILED, _C.HELD, _C.SUPPLEMENTED, _C.WITHDRAWN}),
        _C.FILED: frozenset({_C.ACCEPTED, _C.PAID, _C.REJECTED, _C.HELD, _C.SUPPLEMENTED, _C.WITHDRAWN}),
        _C.ACCEPTED: frozenset({_C.FILED, _C.PAID, _C.REJECTED, _C.HELD, _C.SUPPLEMENTED}),
        _C.SUPPLEMENTED: frozenset({_C.FILED, _C.ACCEPTED, _C.PAID, _C.REJECTED, _C.HELD}),
        _C.HELD: frozenset(
            {_C.FILED, _C.ACCEPTED, _C.SUPPLEMENTED, _C.PAID, _C.REJECTED, _C.WITHDRAWN},
        ),
        _C.REJECTED: frozenset({_C.FILED, _C.SUPPLEMENTED}),
        _C.WITHDRAWN: frozenset({_C.CANDIDATE, _C.PAID}),
        _C.PAID: frozenset({_C.SUPPLEMENTED}),
    }
)
"""From each state of a case the states it may go to. Nothing leads from `paid` to a state that takes back."""

CLAIM_MOVES: Mapping[ClaimState, frozenset[ClaimState]] = MappingProxyType(
    {
        _M.WAITING: frozenset({_M.READY, _M.SUPERSEDED, _M.WITHDRAWN}),
        _M.READY: frozenset(
            {
                _M.WAITING,
                _M.ACCEPTED,
                _M.PARKED,
                _M.STOPPED,
                _M.PAID,
                _M.REJECTED,
                _M.FAILED,
                _M.SUPERSEDED,
                _M.WITHDRAWN,
            }
        ),
        _M.ACCEPTED: frozenset({_M.PAID, _M.REJECTED, _M.FAILED, _M.WITHDRAWN, _M.READY}),
        _M.PARKED: frozenset({_M.READY, _M.ACCEPTED, _M.PAID, _M.REJECTED, _M.FAILED, _M.WITHDRAWN}),
        _M.STOPPED: frozenset({_M.READY, _M.ACCEPTED, _M.PAID, _M.REJECTED, _M.FAILED, _M.WITHDRAWN}),
        _M.FAILED: frozenset({_M.ACCEPTED, _M.PAID, _M.REJECTED, _M.SUPERSEDED, _M.WITHDRAWN}),
        _M.REJECTED: frozenset({_M.SUPERSEDED}),
        _M.SUPERSEDED: frozenset({_M.WAITING, _M.READY}),
        _M.WITHDRAWN: frozenset({_M.PAID}),
        _M.PAID: frozenset(),
    }
)
"""From each state of a claim the states it may go to; `paid` is the end."""

GONE: frozenset[ClaimState] = frozenset({_M.SUPERSEDED, _M.WITHDRAWN})
"""Claims in these states ask for nothing."""

PENDING: frozenset[ClaimState] = frozenset({_M.WAITING, _M.READY, _M.PARKED, _M.STOPPED})
"""Claims in these states have no answer yet."""

FINAL: frozenset[ClaimState] = frozenset({_M.PAID, _M.REJECTED, _M.SUPERSEDED, _M.WITHDRAWN})
"""Claims in these states need not be asked about."""


@dataclass(frozen=True, slots=True)
class ClaimFact:
    """What the state of a case depends on."""

    kind: ClaimKind
    state: ClaimState


def settled(claims: Iterable[ClaimFact]) -> CaseState:
    """Tell where a case stands that nobody holds, from its claims; withdrawals ask for nothing and do not count.

    Once a claim is paid the answer is never candidate, withdrawn or rejected.
    """
    live = [claim for claim in claims if claim.kind is not ClaimKind.WITHDRAWAL and claim.state not in GONE]
    states = {claim.state for claim in live}
    if not live:
        return CaseState.WITHDRAWN
    if ClaimState.FAILED in states:
        return CaseState.FILED
    if any(claim.kind is ClaimKind.SUPPLEMENT and claim.state in PENDING for claim in live):
        return CaseState.SUPPLEMENTED
    if states == {ClaimState.WAITING}:
        return CaseState.CANDIDATE
    if states & PENDING:
        return CaseState.FILED
    for claim_state, case_state in _ANSWERED:
        if claim_state in states:
            return case_state
    return CaseState.REJECTED


_ANSWERED = ((ClaimState.ACCEPTED, CaseState.ACCEPTED), (ClaimState.PAID, CaseState.PAID))


def check_case_move(before: CaseState, after: CaseState) -> None:
    """Let a legal move pass, staying included. Raises IllegalMove with words."""
    if after is not before and after not in CASE_MOVES[before]:
        raise IllegalMove(f"a case that is {before} cannot become {after}")


def check_claim_move(before: ClaimState, after: ClaimState) -> None:
    """Let a legal move pass, staying included. Raises IllegalMove with words."""
    if after is not before and after not in CLAIM_MOVES[before]:
        raise IllegalMove(f"a claim that is {before} cannot become {after}")
