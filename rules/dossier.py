"""Everything the judgement of one learner rests on, others as counts only: what an evidence bundle holds.

A dossier can be judged again by anybody with these rules and nothing else, and must give the same answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from rules.attribution import Cohort
from rules.document import Fields, Invalid, Problem
from rules.incident import DomainWindows
from rules.observation import Observation, read_observation
from rules.record import ClassRecord, read_record
from rules.span import Instant, format_instant
from rules.statistics import Count
from rules.window import Surroundings
from rules.world import World, read_roster

FORMAT: str = "qos-monitor dossier 1"


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is known of one learner.

    ``roster`` holds the learner's enrolments, their courses, and the classes to be judged anew, each with this
    learner alone; ``observations`` are the learner's, and the teachers' of those classes; ``surroundings`` are by
    class id. ``settled`` are the records of classes too old to matter but for their weight. ``class_ends`` are of all
    the learner's classes, ``windows`` of every domain the learner used.
    """

    learner_id: str
    roster: World
    observations: tuple[Observation, ...]
    surroundings: Mapping[str, Surroundings]
    settled: tuple[ClassRecord, ...]
    class_ends: tuple[Instant, ...]
    windows: Mapping[str, DomainWindows]

    def as_json(self) -> dict[str, object]:
        """Write the dossier; `read_dossier` takes it back."""
        roster = self.roster.as_json()
        del roster["observations"]
        return {
            "format": FORMAT,
            "learner_id": self.learner_id,
            "roster": roster,
            "observations": [seen.as_json() for seen in self.observations],
            "surroundings": {name: surroundings_json(around) for name, around in sorted(self.surroundings.items())},
            "settled": [record.as_json() for record in self.settled],
            "class_ends": [format_instant(end) for end in self.class_ends],
            "windows": {name: _windows_json(windows) for name, windows in sorted(self.windows.items())},
        }


def read_dossier(value: object) -> Dossier:
    """Read a dossier. Raises Invalid with the path of what is wrong."""
    problems: list[Problem] = []
    fields = Fields(value, "", problems)
    fields.choice("format", str, (FORMAT,))
    around = fields.inner("surroundings")
    windows = fields.inner("windows")
    dossier = Dossier(
        learner_id=fields.text("learner_id"),
        roster=_roster(fields, problems),
        observations=tuple(_observations(fields, problems)),
        surroundings={name: read_surroundings(around.inner(name)) for name in around.names()},
        settled=tuple(read_record(entry, path) for path, entry in fields.items("settled")),
        class_ends=tuple(_instants(fields, "class_ends")),
        windows={name: _read_windows(windows.inner(name)) for name in windows.names()},
    )
    fields.close()
    if problems:
        raise Invalid(problems)
    return dossier


def _roster(fields: Fields, problems: list[Problem]) -> World:
    try:
        return read_roster(fields.take("roster"))
    except Invalid as invalid:
        problems.extend(Problem(f"roster.{problem.path}", problem.message) for problem in invalid.problems)
        return World()


def _observations(fields: Fields, problems: list[Problem]) -> Iterable[Observation]:
    for path, entry in fields.items("observations"):
        seen = read_observation(entry, path, problems)
        if seen is not None:
            yield seen


def _instants(fields: Fields, key: str) -> Iterable[Instant]:
    for path, entry in fields.items(key):
        yield Fields({"at": entry}, path, fields.problems).instant("at")


def _windows_json(windows: DomainWindows) -> dict[str, object]:
    return {
        "faulty": [format_instant(at) for at in windows.faulty],
        "healthy": [format_instant(at) for at in windows.healthy],
        "window_ms": windows.window_ms,
    }


def _read_windows(fields: Fields) -> DomainWindows:
    found = DomainWindows(
        tuple(_instants(fields, "faulty")), tuple(_instants(fields, "healthy")), fields.whole("window_ms")
    )
    fields.close()
    return found


def surroundings_json(around: Surroundings) -> dict[str, object]:
    """Write what was counted over others."""
    return {
        "room": _count_json(around.room),
        "cohort": None if around.cohort is None else _cohort_json(around.cohort),
        "feed_share": None if around.feed_share is None else str(around.feed_share),
    }


def read_surroundings(fields: Fields) -> Surroundings:
    """Read it back; what is wrong is noted in the fields' problems."""
    cohort = None if fields.take("cohort") is None else _read_cohort(fields.inner("cohort"))
    share = None if fields.take("feed_share") is None else _fraction(fields, "feed_share")
    found = Surroundings(_read_count(fields, "room"), cohort, share)
    fields.close()
    return found


def _cohort_json(cohort: Cohort) -> dict[str, object]:
    return {
        "counts": {name: _count_json(count) for name, count in sorted(cohort.counts.items())},
        "usual": {name: str(share) for name, share in sorted(cohort.usual.items())},
        "complements": {name: _count_json(count) for name, count in sorted(cohort.complements.items())},
        "reduced": {
            network: {name: _count_json(count) for name, count in sorted(counts.items())}
            for network, counts in sorted(cohort.reduced.items())
        },
        "expected": cohort.expected,
    }


def _read_cohort(fields: Fields) -> Cohort:
    usual, reduced = fields.inner("usual"), fields.inner("reduced")
    cohort = Cohort(
        counts=_read_counts(fields.inner("counts")),
        usual={name: _fraction(usual, name) for name in usual.names()},
        complements=_read_counts(fields.inner("complements")),
        reduced={network: _read_counts(reduced.inner(network)) for network in reduced.names()},
        expected=fields.whole_or_none("expected"),
    )
    fields.close()
    return cohort


def _count_json(count: Count) -> list[int]:
    return [count.voters, count.lost]


def _read_counts(fields: Fields) -> dict[str, Count]:
    return {name: _read_count(fields, name) for name in fields.names()}


def _read_count(fields: Fields, key: str) -> Count:
    pair = fields.take(key)
    if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, int) and part >= 0 for part in pair):
        return Count(pair[0], pair[1])
    fields.note(key, f"must be [voters, lost], not {pair!r}")
    return Count(0, 0)


def _fraction(fields: Fields, key: str) -> Fraction:
    try:
        return Fraction(fields.text(key))
    except (ValueError, ZeroDivisionError):
        fields.note(key, "must be a fraction such as 1/200")
        return Fraction(0)
