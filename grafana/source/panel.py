"""What a panel shows, in words and queries; shapes.py makes Grafana's of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from look import Steps


class Shape(Enum):
    """How a panel shows its numbers."""

    NUMBER = "stat"
    LINES = "lines"
    BARS = "bars"  # stacked over time
    RANKED = "ranked"  # one bar for each series, as of now
    TABLE = "table"  # one row for each set of labels, one column for each query


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: ``asks`` are pairs of PromQL and legend (of a table: the column's heading, if it is shown).

    ``unit`` is Grafana's name of a unit; ``steps`` are thresholds; ``empty`` says why there is nothing to see;
    ``runbooks`` are names of alerts, ``console`` a page of the console; ``step`` is how near two points may be;
    ``units``, ``paints`` (thresholds) and ``leads`` (URLs) are those of a table's columns, by heading;
    ``words`` stand in place of values; ``colours`` are words of look.py in which legends end.
    """

    title: str
    says: str
    unit: str
    asks: Sequence[tuple[str, str]]
    empty: str
    shape: Shape = Shape.LINES
    width: int = 8
    height: int = 8
    steps: Steps = ()
    runbooks: Sequence[str] = ()
    console: str | None = None
    step: str = ""
    buckets: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    paints: Mapping[str, Steps] = field(default_factory=dict)
    leads: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    colours: Sequence[str] = ()
    decimals: int | None = None
