"""Bodies gone wrong in every way, and what a collector may still make of them: sightings within limits, or nothing."""

import json
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from collector_specimens import NOON, Body, Specimen
from hypothesis import strategies as st

from collectors.contract import Delivery, Reading, Unreadable
from rules.observation import Observation, read_observation

if TYPE_CHECKING:
    from rules.document import Problem

ODD: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    -(2**70),
    10**400,
    1.5,
    -1e300,
    "",
    "0",
    "1e9",
    "NaN",
    "99999999999999999999999",
    "\x00",
    "名" * 5_000,
    [],
    {},
    [[[[{}]]]],
    {"a": {"b": [None]}},
)


def outcome(specimen: Specimen, delivery: Delivery) -> Reading | None:
    """Read a delivery and hold the result against every limit; None where it is unreadable."""
    key = specimen.collector.key(delivery)
    assert 0 < len(key.event_id) <= 200
    assert "\x00" not in key.event_id
    assert 0 <= key.minute < 2**53
    try:
        reading = specimen.collector.read(delivery)
    except Unreadable:
        return None
    for sighting in reading.sightings:
        hold(sighting.observation)
        assert len(sighting.thread or "") <= 240
        assert 0 <= sighting.order < 2**63
    for name in (*reading.ignored, *reading.unknown):
        assert 0 < len(name) <= 120
    return reading


def hold(seen: Observation) -> None:
    """Hold an observation against the columns it is stored in and against the interchange format."""
    limits = {"id": 300, "class_id": 200, "participant_id": 200, "session": 240, "code": 100}
    for key, most in limits.items():
        assert len(getattr(seen, key) or "") <= most
    problems: list[Problem] = []
    again = read_observation(seen.as_json(), "", problems)
    assert problems == []
    assert again == seen
    assert b"\x00" not in seen.canonical().encode()


Path = tuple[str | int, ...]


def paths(value: object, here: Path = ()) -> Iterator[Path]:
    """Walk to every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inside:
        yield (*here, key)
        yield from paths(entry, (*here, key))


def changed(body: Body, path: Path, value: object, *, is_removed: bool = False) -> Body:
    """Copy a body with one value replaced, added or taken out."""
    copy: Body = json.loads(json.dumps(body))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]  # type: ignore[index,assignment]  # the path was walked in this very body
    if is_removed and len(holder) > 0:
        del holder[path[-1]]  # type: ignore[arg-type]  # the shape of this JSON
    else:
        holder[path[-1]] = value  # type: ignore[index]  # the shape of this JSON
    return copy


def json_values() -> st.SearchStrategy[object]:
    """Draw any JSON value, NaN and infinity included: they make the body no JSON at all."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    keys = st.sampled_from(["kind", "at", "id", "timestamp", "reports", "type", "ssrc"]) | st.text(max_size=5)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=10
    )


def mutated(specimen: Specimen, chance: Random) -> Delivery:
    """Deliver a body that was right until one to six things went wrong with it, signed as its sender would."""
    body = chance.choice(specimen.valid)
    for _ in range(chance.randrange(4)):
        places = list(paths(body))
        value = chance.choice([*ODD, value_at(body, chance.choice(places)) if places else None])
        if places:
            body = changed(body, chance.choice(places), value, is_removed=chance.random() < 0.2)
    raw = specimen.delivery(body).body
    for _ in range(chance.randrange(3)):
        raw = _damaged(raw, specimen.delivery(chance.choice(specimen.valid)).body, chance)
    return specimen.delivery(raw, chance.choice([NOON, NOON + 5_000, 0, 2**41]))


def value_at(body: object, path: Path) -> object:
    """Take the value at the end of a path."""
    for key in path:
        body = body[key]  # type: ignore[index]  # the path was walked in this very body
    return body


def _damaged(raw: bytes, other: bytes, chance: Random) -> bytes:
    """Flip, cut, double or insert some bytes, or go on with another body."""
    start = chance.randrange(len(raw) + 1)
    end = min(start + chance.choice([1, 1, 1, 2, 4, 16, 64]), len(raw))
    noise = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
    return chance.choice(
        [
            raw[:start] + noise + raw[end:],
            raw[:start] + raw[end:],
            raw[:end] + raw[start:],
            raw[:start] + noise + raw[start:],
            raw[:start]
            + chance.choice([b"\x00", b"\\u0000", b"\\ud800", b"-", b"e9", b'"', b"{", b"[", b","])
            + raw[start:],
            raw[:start] + other[chance.randrange(len(other)) :],
            raw[:start],
        ]
    )
