"""Token buckets: how often somebody may come, counted in this process alone."""

from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class Buckets:
    """One bucket for each name: ``rate`` tokens a second, at most ``burst`` at once; a rate of 0 is no limit.

    Never more than ``names_max`` are held: beyond that the fullest go first, for whoever waited long has nothing
    to lose. ``now_s`` is any clock that runs forward.
    """

    def __init__(self, rate: float, burst: float, names_max: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._names_max = names_max
        self._buckets: dict[str, _Bucket] = {}

    def takes(self, name: str, now_s: float) -> bool:
        """Take one token; False where there is none."""
        if self._rate <= 0:
            return True
        bucket = self._filled(name, now_s)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def is_empty(self, name: str, now_s: float) -> bool:
        """Say whether the next one would get none; takes nothing."""
        bucket = self._buckets.get(name)
        return bucket is not None and bucket.tokens + (now_s - bucket.at_s) * self._rate < 1

    def wait_s(self, name: str, now_s: float) -> int:
        """Say after how many whole seconds there is one again, at least 1."""
        bucket = self._buckets.get(name)
        if bucket is None or self._rate <= 0:
            return 1
        lacking = 1 - bucket.tokens - (now_s - bucket.at_s) * self._rate
        return max(1, -int(-lacking / self._rate // 1))

    @property
    def count(self) -> int:
        """How many names are held."""
        return len(self._buckets)

    def _filled(self, name: str, now_s: float) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= self._names_max:
                self._make_room(now_s)
            bucket = self._buckets[name] = _Bucket(self._burst, now_s)
            return bucket
        bucket.tokens = min(self._burst, bucket.tokens + (now_s - bucket.at_s) * self._rate)
        bucket.at_s = now_s
        return bucket

    def _make_room(self, now_s: float) -> None:
        """Forget who would find a full bucket anyway, else the half that lacks least."""
        lacking = {
            name: self._burst - bucket.tokens - (now_s - bucket.at_s) * self._rate
            for name, bucket in self._buckets.items()
        }
        by_need = sorted(lacking, key=lacking.__getitem__)
        full = [name for name in by_need if lacking[name] <= 0]
        for name in full or by_need[: len(by_need) // 2 + 1]:
            del self._buckets[name]
