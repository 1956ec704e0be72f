"""A server that goes down takes its living sessions with it, and nobody else's."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from collector_specimens import NOON, Body
from janus_specimen import JANUS, hangup, janus_event, line, statistics, up

from collectors.janus.shutdowns import ALIVE, CODE, ended
from collectors.threads import settled
from rules.observation import Fault, Kind, Observation
from rules.span import MINUTE, SECOND

AT = NOON + 10 * MINUTE


def seen(*events: Body) -> list[Observation]:
    """Read events, each a delivery of its own, in one thread each."""
    found = []
    for event in events:
        sightings = JANUS.collector.read(JANUS.delivery(event)).sightings
        found += [one.observation for one in settled(sightings)]
    return found


def down(at: int = AT, emitter: str | None = "sfu-1") -> list[Observation]:
    """Let a server say that it goes down."""
    header = {"timestamp": at * 1_000} | ({} if emitter is None else {"emitter": emitter})
    event = janus_event(256, {"status": "shutdown", "signum": 15}, 2, **header)
    return seen({key: value for key, value in event.items() if emitter or key != "emitter"})


def measured(at: int) -> Body:
    """Measure what the learner received until then."""
    return statistics(line(), timestamp=at * 1_000)


def lefts(given: Sequence[Observation]) -> list[Observation]:
    """Take the ends."""
    return [one for one in given if one.kind is Kind.LEFT]


def test_a_living_session_ends_with_its_server_by_the_platforms_fault() -> None:
    joined, *rest = given = seen(up(), measured(AT - 5 * SECOND))

    [left] = lefts(ended(given, down()))

    assert rest
    assert (left.at, left.session, left.fault, left.blames, left.code) == (
        AT,
        joined.session,
        Fault.PLATFORM,
        "node",
        CODE,
    )
    assert left.domains["node"] == "sfu-1"


@pytest.mark.parametrize(("before", "is_ended"), [(ALIVE, True), (ALIVE + 1, False), (-SECOND, True)])
def test_one_in_which_nothing_was_received_for_a_minute_is_not_known_to_have_been_there(
    before: int, is_ended: bool
) -> None:
    given = seen(up(), measured(AT - before))

    assert bool(lefts(ended(given, down()))) is is_ended


def test_one_that_ended_otherwise_or_is_on_another_server_stays_as_it_is() -> None:
    gone = seen(up(), measured(AT), hangup("DTLS alert", timestamp=AT * 1_000))
    gone = [replace(one, session="s") if one.session and one.kind is not Kind.QUALITY else one for one in gone]
    here = seen(up(), measured(AT))

    assert ended(gone, down()) == gone
    assert ended(here, down(emitter="sfu-2")) == here
    assert ended(here, down(emitter=None)) == here
    assert ended(here, down(at=NOON - SECOND)) == here
    assert ended(here, []) == here


def test_of_two_shutdowns_the_first_one_ended_it_and_the_order_does_not_matter() -> None:
    given = seen(up(), measured(AT))
    both = [*down(), *down(at=AT + 20 * SECOND)]

    assert lefts(ended(given, both)) == lefts(ended(given[::-1], both[::-1])) == lefts(ended(given, down()))
