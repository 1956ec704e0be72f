"""The tests by which a domain is called faulty, healthy or silent in a window (SPEC 4.3)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from rules.policy import AttributionTerms


class State(StrEnum):
    """What a window says of a domain."""

    FAULTY = "faulty"
    HEALTHY = "healthy"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Count:
    """``voters`` (n) had evidence, ``lost`` (k) of them lost half."""

    voters: int
    lost: int

    def __add__(self, other: "Count") -> "Count":
        return Count(self.voters + other.voters, self.lost + other.lost)

    def __sub__(self, other: "Count") -> "Count":
        return Count(self.voters - other.voters, self.lost - other.lost)

    @property
    def share(self) -> Fraction:
        """k/n; 0 where nobody voted."""
        return Fraction(self.lost, self.voters) if self.voters else Fraction(0)


NOBODY: Count = Count(0, 0)


def usual_share(history: Count, terms: AttributionTerms) -> Fraction:
    """Hold the share usual in the past (p0) between floor and cap; without a past it is the floor."""
    return min(max(history.share, terms.usual_floor), terms.usual_cap)


@lru_cache(maxsize=65_536)  # without the judged learner most domains of a window have the counts they had for the last
def upper_tail(voters: int, lost: int, usual: float) -> float:
    """Give the exact one-sided binomial tail: the chance of ``lost`` or more of ``voters`` at share ``usual``."""
    if lost <= 0:
        return 1.0
    if usual >= 1.0:
        return 1.0
    if lost > voters or usual <= 0.0:
        return 0.0
    log_term = (
        math.lgamma(voters + 1)
        - math.lgamma(lost + 1)
        - math.lgamma(voters - lost + 1)
        + lost * math.log(usual)
        + (voters - lost) * math.log1p(-usual)
    )
    term = math.exp(log_term)
    odds = usual / (1.0 - usual)
    total = 0.0
    for hits in range(lost, voters + 1):
        total += term
        term *= (voters - hits) / (hits + 1) * odds
        if hits > voters * usual and term < total * 1e-17:
            break
    return min(total, 1.0)


def adjusted(tails: Mapping[str, float]) -> dict[str, float]:
    """Adjust tails for their number by Benjamini and Hochberg's step-up rule."""
    ranked = sorted(tails.items(), key=lambda item: item[1], reverse=True)
    result: dict[str, float] = {}
    lowest = 1.0
    for index, (name, tail) in enumerate(ranked):
        rank = len(ranked) - index
        lowest = min(lowest, tail * len(ranked) / rank)
        result[name] = lowest
    return result


def stands_out(count: Count, usual: Fraction, terms: AttributionTerms) -> bool:
    """Say whether enough were lost, and a large enough share, for a fault (the tail is asked separately)."""
    return (
        count.voters >= terms.faulty_voters_min
        and count.lost >= terms.faulty_lost_min
        and count.share >= max(terms.faulty_share, terms.faulty_factor * usual)
    )


def is_faulty_alone(count: Count, usual: Fraction, terms: AttributionTerms) -> bool:
    """Apply the fault test with the tail not adjusted (complements, the attendance deficit)."""
    if not stands_out(count, usual, terms):
        return False
    return upper_tail(count.voters, count.lost, float(usual)) <= terms.faulty_tail


def faulty_among(counts: Mapping[str, Count], usual: Mapping[str, Fraction], terms: AttributionTerms) -> frozenset[str]:
    """Find the faulty domains of a window, tails adjusted over all its domains with enough voters."""
    tested = {name: count for name, count in counts.items() if count.voters >= terms.faulty_voters_min}
    outstanding = [name for name, count in tested.items() if stands_out(count, usual[name], terms)]
    if not outstanding:
        return frozenset()
    q_values = adjusted({n: upper_tail(c.voters, c.lost, float(usual[n])) for n, c in tested.items()})
    return frozenset(name for name in outstanding if q_values[name] <= terms.faulty_tail)


def is_healthy(count: Count, usual: Fraction, terms: AttributionTerms) -> bool:
    """Say whether enough voted and hardly anybody lost."""
    return count.voters >= terms.healthy_voters_min and count.share <= max(
        terms.healthy_factor * usual, terms.healthy_share
    )
