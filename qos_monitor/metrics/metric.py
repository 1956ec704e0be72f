"""What is told of one metric, wherever its numbers come from."""

from collections.abc import Sequence
from dataclasses import dataclass

PROCESS, DATABASE, SIMULATION = "process", "database", "simulation"
"""Where the numbers are kept: counted in one process, read from the database (alike in every process), in the demo."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is documented; ``kept`` is where its numbers come from."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    unit: str = ""
    kept: str = PROCESS
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in the metric's unit, without the infinite one."""

    @property
    def parts(self) -> int:
        """How many of the whole numbers it is tallied in make one of its unit; money has its currency's own."""
        return {"seconds": 1000, "learner-seconds": 1000, "ratio": 1_000_000}.get(self.unit, 1)

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names its samples have."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}_{ending}" for ending in ("bucket", "sum", "count"))


@dataclass(frozen=True, slots=True)
class Declared:
    """Declares the metrics of one place."""

    kept: str

    def counter(self, name: str, unit: str, meaning: str, *labels: str) -> Metric:
        """Declare what only grows."""
        return Metric(name, "counter", labels, meaning, unit, self.kept)

    def gauge(self, name: str, unit: str, meaning: str, *labels: str) -> Metric:
        """Declare what is so at the moment."""
        return Metric(name, "gauge", labels, meaning, unit, self.kept)

    def histogram(self, name: str, unit: str, meaning: str, buckets: Sequence[float], *labels: str) -> Metric:
        """Declare what is counted by size."""
        return Metric(name, "histogram", labels, meaning, unit, self.kept, tuple(buckets))
