"""When a domain was ill and when it was well again, read from its windows (SPEC 6)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from rules.policy import OutageTerms
from rules.span import HOUR, Instant, Span


@dataclass(frozen=True, slots=True)
class DomainWindows:
    """The starts of a domain's faulty and healthy windows, sorted; every voter counted."""

    faulty: tuple[Instant, ...] = ()
    healthy: tuple[Instant, ...] = ()
    window_ms: int = HOUR // 2


def incidents(windows: DomainWindows | None, terms: OutageTerms) -> list[Span]:
    """Join faulty windows whose gap is short enough and holds no healthy window."""
    found: list[Span] = []
    if windows is None:
        return found
    for start in windows.faulty:
        end = start + windows.window_ms
        if (
            found
            and start - found[-1].end <= terms.incident_gap_h * HOUR
            and not _any_between(windows.healthy, found[-1].end, start)
        ):
            found[-1] = Span(found[-1].start, end)
        else:
            found.append(Span(start, end))
    return found


def recovered(windows: DomainWindows | None, terms: OutageTerms) -> Iterable[Span]:
    """Give a recovery for each healthy window that a healthy one follows."""
    if windows is None:
        return
    healthy = set(windows.healthy)
    for start in windows.healthy:
        if start + windows.window_ms in healthy:
            yield Span(start, start + terms.cohort_recovery_h * HOUR)


def _any_between(sorted_starts: tuple[Instant, ...], low: Instant, high: Instant) -> bool:
    return bisect_left(sorted_starts, low) < bisect_right(sorted_starts, high - 1)
