"""When a provider may be asked: within its plan's rate, and not while it is in trouble. Pure state, no clock."""

from dataclasses import dataclass

from collectors.polls import Limits
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

FAILURES_MAX: int = 5
REST: int = MINUTE
HOLD_MAX: int = HOUR


@dataclass(slots=True)
class Breaker:
    """Stops asking after so many failures in a row; after a rest one request tries, and its answer decides."""

    failures: int = 0
    open_until: Instant | None = None

    def wait(self, now: Instant) -> int:
        """Tell for how many milliseconds nothing may be asked; 0 where something may.

        Longer than a rest is none: then the clock stepped back.
        """
        left = 0 if self.open_until is None else self.open_until - now
        return left if 0 < left <= REST else 0

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
        """Tell for how many milliseconds nothing may be asked. A clock that stepped back lets nothing wait for it."""
        if now < self.held_until <= now + HOLD_MAX:
            return self.held_until - now
        if now // DAY == self.day and self.today >= self.limits.per_day:
            return (self.day + 1) * DAY - now
        if len(self.last) < self.limits.per_second:
            return 0
        left = self.last[-self.limits.per_second] + SECOND - now
        return left if 0 < left <= SECOND else 0

    def spend(self, now: Instant) -> None:
        """Count a request that is about to be sent, whatever comes of it."""
        self.seen(0, now)
        self.today += 1
        self.last = (*self.last, now)[-self.limits.per_second :]

    def seen(self, today: int, now: Instant) -> None:
        """Take up what others counted of this day; what we counted ourselves stays."""
        self.today = max(self.today, today) if now // DAY == self.day else today
        self.day = now // DAY

    def spent(self, now: Instant) -> None:
        """Believe the provider that nothing is left of today: somebody else uses the same key."""
        self.day, self.today = now // DAY, max(self.today, self.limits.per_day)

    def hold(self, until: Instant) -> None:
        """Ask nothing before this instant, in HOLD_MAX at most: the provider said when to come again."""
        is_of_before = self.held_until > until + HOLD_MAX  # the clock stepped back
        self.held_until = until if is_of_before else max(self.held_until, until)
