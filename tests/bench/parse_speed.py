"""Events a second that each collector reads, beside `orjson.loads` alone on the same bodies in the same run.

``make bench`` prints the table; ``--json FILE`` keeps it. Slices of both alternate and CPU time is counted, so that the
ratio holds on a machine that does other things too; the rates are this machine's.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from urllib.parse import parse_qsl

import orjson
from polled_specimens import POLLED
from recordings import RECORDINGS

from collectors.contract import Collector, Delivery

ROUNDS, SLICE_S = 15, 0.02


@dataclass(frozen=True)
class Load:
    """What one row measures: deliveries, and the JSON in them as plainly as it can be had."""

    name: str
    collector: Collector
    deliveries: tuple[Delivery, ...]
    plain: tuple[bytes, ...]
    events: int

    def parse(self) -> None:
        """Parse with orjson and throw it away."""
        for body in self.plain:
            orjson.loads(body)

    def read(self) -> None:
        """Read as the service does behind its back."""
        for delivery in self.deliveries:
            self.collector.read(delivery)

    def take(self) -> None:
        """Verify, name and read: all that a collector does for a delivery."""
        for delivery in self.deliveries:
            self.collector.verify(delivery)
            self.collector.key(delivery)
            self.collector.read(delivery)


@dataclass(frozen=True)
class Row:
    """One row of the table: events a second, and how many times orjson's time that is."""

    name: str
    bytes_per_event: int
    orjson_per_s: int
    read_per_s: int
    read_ratio: float
    take_per_s: int
    take_ratio: float


def loads() -> Iterator[Load]:
    """Give the recorded class of every provider, then every list that is polled."""
    for recording in RECORDINGS:
        yield _load(recording.provider, recording.specimen.collector, [first for first, _ in recording.deliveries])
    for name, specimen in POLLED:
        deliveries = [specimen.delivery(body) for body in specimen.valid]
        yield _load(f"{name} (polled)", specimen.collector, deliveries)


def _load(name: str, collector: Collector, deliveries: Sequence[Delivery]) -> Load:
    """An event is what becomes an observation; a delivery of which none does is one event."""
    events = sum(len(collector.read(delivery).sightings) or 1 for delivery in deliveries)
    plain = tuple(body for delivery in deliveries for body in _plain(delivery.body))
    return Load(name, collector, tuple(deliveries), plain, events)


def _plain(body: bytes) -> Iterator[bytes]:
    """Give lines one by one, and a form as the JSON of its fields."""
    for line in body.split(b"\n"):
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            yield orjson.dumps(dict(parse_qsl(line.decode("latin-1"))))
        else:
            yield line


def measured(load: Load, rounds: int = ROUNDS, slice_s: float = SLICE_S) -> Row:
    """Measure one load; each rate is the median of its slices, each ratio that of its rounds."""
    parsed, read, taken = [], [], []
    for _ in range(rounds):
        parsed.append(_seconds(load.parse, slice_s))
        read.append(_seconds(load.read, slice_s))
        taken.append(_seconds(load.take, slice_s))
    size = sum(len(delivery.body) for delivery in load.deliveries) // load.events
    return Row(
        name=load.name,
        bytes_per_event=size,
        orjson_per_s=round(load.events / median(parsed)),
        read_per_s=round(load.events / median(read)),
        read_ratio=round(median(one / other for one, other in zip(read, parsed, strict=True)), 1),
        take_per_s=round(load.events / median(taken)),
        take_ratio=round(median(one / other for one, other in zip(taken, parsed, strict=True)), 1),
    )


def _seconds(work: Callable[[], None], slice_s: float) -> float:
    """Take the CPU time of one run, over as many as fill the slice."""
    began, runs, spent = time.process_time(), 0, 0.0
    while spent <= slice_s or runs == 0:
        work()
        runs += 1
        spent = time.process_time() - began
    return max(spent, 1e-9) / runs


def table(rows: Sequence[Row]) -> str:
    """Write the table."""
    head = f"{'collector':<38} {'bytes':>6} {'orjson/s':>10} {'read/s':>9} {'x':>6} {'take/s':>9} {'x':>6}"
    lines = [
        f"{row.name:<38} {row.bytes_per_event:>6} {row.orjson_per_s:>10,} {row.read_per_s:>9,} {row.read_ratio:>6}"
        f" {row.take_per_s:>9,} {row.take_ratio:>6}"
        for row in rows
    ]
    told = "events a second; x: times the CPU time of orjson.loads; take: verify, name and read"
    return "\n".join([head, *lines, told])


def main(words: Sequence[str] | None = None, rounds: int = ROUNDS, slice_s: float = SLICE_S) -> None:
    """Measure everything, print the table, and keep the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args(words)
    rows = [measured(load, rounds, slice_s) for load in loads()]
    print(table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
