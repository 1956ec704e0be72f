"""What earlier windows said of each domain: the usual shares, and when a domain was faulty or healthy (SPEC 4.3, 6)."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from rules.incident import DomainWindows
from rules.policy import AttributionTerms, Policy
from rules.span import DAY, MINUTE, Instant
from rules.statistics import NOBODY, Count, State, usual_share


@dataclass(frozen=True, slots=True)
class Tally:
    """One domain in one window, every voter counted."""

    count: Count
    state: State


def absence_share(history: Count, terms: AttributionTerms) -> Fraction:
    """Give the usual share of learners who leave no trace, at least the floor; it has no cap."""
    return max(history.share, terms.deficit_usual_floor)


@dataclass(slots=True)
class _Series:
    windows: list[Instant] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    sums: list[Count] = field(default_factory=lambda: [NOBODY])
    """Running sums over the windows that were not faulty; one longer than the others."""


class Past:
    """The tallies of windows added in order of time."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._series: dict[str, _Series] = {}

    def add(self, window: Instant, tallies: Mapping[str, Tally]) -> None:
        """Append a window; it must be later than every one before."""
        for name, tally in tallies.items():
            series = self._series.setdefault(name, _Series())
            if series.windows and series.windows[-1] >= window:
                raise ValueError("windows are added in order of time, each once")
            series.windows.append(window)
            series.states.append(tally.state)
            counted = NOBODY if tally.state is State.FAULTY else tally.count
            series.sums.append(series.sums[-1] + counted)

    def usual(self, name: str, window: Instant) -> Fraction:
        """Give p0 of a domain before a window, held between floor and cap."""
        return usual_share(self._before(name, window), self._policy.attribution)

    def usual_absence(self, name: str, window: Instant) -> Fraction:
        """Give the usual share of learners who leave no trace, at least the floor."""
        return absence_share(self._before(name, window), self._policy.attribution)

    def _before(self, name: str, window: Instant) -> Count:
        series = self._series.get(name)
        if series is None:
            return NOBODY
        first = bisect_left(series.windows, window - self._policy.attribution.history_days * DAY)
        last = bisect_left(series.windows, window)
        return series.sums[last] - series.sums[first]

    def windows(self, name: str) -> DomainWindows:
        """List when a domain was faulty and when it was healthy."""
        series = self._series.get(name, _Series())
        pairs = list(zip(series.windows, series.states, strict=True))
        return DomainWindows(
            tuple(window for window, state in pairs if state is State.FAULTY),
            tuple(window for window, state in pairs if state is State.HEALTHY),
            self._policy.attribution.window_min * MINUTE,
        )
