"""When a provider may be asked: within its plan's rate, and not while it is in trouble. Pure state, no clock."""

from dataclasses import dataclass

from collectors.polls import Limits
from rules.span import DAY, MINUTE, SECOND, Instant

FAILURES_MAX: int = 5
REST: int = MINUTE


@dataclass(slots=True)
class Breaker:
    """Stops asking after so many failures in a row; after a rest one request tries, and its answer decides."""

    failures: int = 0
    open_until: Instant | None = None

    def wait(self, now: Instant) -> int:
        """Tell for how many milliseconds nothing may be asked; 0 where something may."""
        return 0 if self.open_until is None else max(self.open_until - now, 0)

    def succeeded(self) -> None:
        """Close it: the provider answers."""
        self.failures, self.open_until = 0, None

    def failed(self, now: Instant) -> bool:
        """Count a failure; answer whether this one opened it. The one that tries after a rest opens it at once."""
        self.failures += 1
        if self.failures < FAILURES_MAX:
            return False
        was_closed = self.open_until is None
        self.open_until = now + REST
        return was_closed


@dataclass(slots=True)
class Pace:
    """Counts requests by second and by UTC day, as the provider does."""

    limits: Limits
    day: int = -1
    today: int = 0
    last: tuple[Instant, ...] = ()
    held_until: Instant = 0

    def wait(self, now: Instant) -> int:
        """Tell for how many milliseconds nothing may be asked."""
        if now < self.held_until:
            return self.held_until - now
        if now // DAY == self.day and self.today >= self.limits.per_day:
            return (self.day + 1) * DAY - now
        if len(self.last) < self.limits.per_second:
            return 0
        return max(self.last[-self.limits.per_second] + SECOND - now, 0)

    def spend(self, now: Instant) -> None:
        """Count a request that is about to be sent, whatever comes of it."""
        self.today = self.today + 1 if now // DAY == self.day else 1
        self.day = now // DAY
        self.last = (*self.last, now)[-self.limits.per_second :]

    def spent(self, now: Instant) -> None:
        """Believe the provider that nothing is left of today: somebody else uses the same key."""
        self.day, self.today = now // DAY, max(self.today, self.limits.per_day)

    def hold(self, until: Instant) -> None:
        """Ask nothing before this instant: the provider said when to come again."""
        self.held_until = max(self.held_until, until)
