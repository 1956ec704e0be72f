"""Janus's statistics: one span for each line that carries media to the learner."""

import pytest
from collector_specimens import NOON, Body, written
from hypothesis import given
from hypothesis import strategies as st
from janus_specimen import HANDLE, JANUS, SESSION, line, statistics

from collectors.contract import Reading, Sighting
from collectors.threads import settled
from rules.observation import Kind
from rules.span import SECOND


def read(*events: Body) -> Reading:
    """Read one post of these events."""
    return JANUS.collector.read(JANUS.delivery(written(list(events))))  # type: ignore[arg-type]  # an array


def at(seconds: float, **changes: object) -> Body:
    """Build the statistics of the audio line so long after NOON."""
    return statistics(line(**changes), timestamp=round((NOON + seconds * SECOND) * 1_000))


def spans(*events: Body) -> list[tuple[float, float, dict[str, float]]]:
    """Read events and give the spans of their thread: from, until (seconds after NOON), metrics."""
    told = [s.observation for s in settled(read(*events).sightings)]
    return [((s.at - NOON) / SECOND, ((s.until or 0) - NOON) / SECOND, dict(s.metrics)) for s in told]


def metrics(**changes: object) -> dict[str, float]:
    """Give what one event alone measures."""
    ((_, _, measured),) = spans(at(60, **changes))
    return measured


def test_one_event_alone_gives_the_five_seconds_before_it_and_the_loss_of_the_whole_stay() -> None:
    ((start, end, measured),) = spans(at(60))

    assert (start, end) == (55, 60)
    assert measured == {"rtt_ms": 74, "jitter_ms": 10, "loss": 39 / 410}


def test_a_span_begins_where_the_one_before_it_ended_and_loses_what_was_lost_since() -> None:
    told = spans(
        at(2, **{"lost-by-remote": 0, "packets-sent": 100}),
        at(4, **{"lost-by-remote": 31, "packets-sent": 200}),
        at(6, **{"lost-by-remote": 31, "packets-sent": 300}),
    )

    assert [(start, end, m["loss"]) for start, end, m in told] == [(-3, 2, 0), (2, 4, 0.31), (4, 6, 0)]


def test_a_counter_that_went_down_began_anew() -> None:
    told = spans(
        at(2, **{"lost-by-remote": 50, "packets-sent": 900}),
        at(4, **{"lost-by-remote": 10, "packets-sent": 100}),
    )

    assert told[1][2]["loss"] == 0.1


def test_of_fewer_than_twenty_packets_no_loss_is_taken() -> None:
    told = spans(
        at(2, **{"lost-by-remote": 0, "packets-sent": 19}),
        at(4, **{"lost-by-remote": 19, "packets-sent": 38}),
        at(6, **{"lost-by-remote": 29, "packets-sent": 58}),
    )

    assert [m.get("loss") for _, _, m in told] == [None, None, 0.5]


def test_a_span_never_reaches_back_over_more_than_half_a_minute() -> None:
    told = spans(at(2), at(32), at(62.001))

    assert [(start, end) for start, end, _ in told] == [(-3, 2), (2, 32), (57.001, 62.001)]


def test_lines_and_handles_count_for_themselves() -> None:
    other = statistics(line(mid="1"), line(mid="2"), timestamp=(NOON + 4 * SECOND) * 1_000)
    threads = {s.thread for s in read(at(2), at(4), other, at(6) | {"handle_id": 7}).sightings}

    assert threads == {
        *(f"sfu-1:{SESSION}:{HANDLE}:{mid}" for mid in "012"),
        f"sfu-1:{SESSION}:7:0",
    }


def test_a_round_trip_of_nought_is_not_known() -> None:
    assert "rtt_ms" not in metrics(rtt=0)
    assert metrics(rtt=1)["rtt_ms"] == 1
    assert "rtt_ms" not in metrics(rtt=4_294_967_000)


def test_jitter_is_counted_by_the_clock_of_the_line_and_only_of_audio() -> None:
    assert metrics(**{"jitter-remote": 1_440, "base": 48_000})["jitter_ms"] == 30
    assert metrics(**{"jitter-remote": 240, "base": 8_000})["jitter_ms"] == 30
    assert "jitter_ms" not in metrics(base=0)
    assert "jitter_ms" not in metrics(media="video", base=90_000)


def test_a_packet_that_came_twice_is_not_sixteen_million_lost() -> None:
    assert metrics(**{"lost-by-remote": 2**24 - 1})["loss"] == 0


def test_no_quality_of_a_link_is_believed() -> None:
    assert metrics(**{"out-link-quality": 1}) == metrics(**{"out-link-quality": 100})


@pytest.mark.parametrize(
    "changes",
    [
        {"packets-sent": 0, "packets-received": 900},
        {"bytes-sent-lastsec": 0},
        {
            "rtt": 0,
            "jitter-remote": 0,
            "lost-by-remote": 0,
            "out-link-quality": 0,
            "out-media-link-quality": 0,
        },
    ],
    ids=["only sends", "nothing was sent", "nothing was reported back"],
)
def test_a_line_of_which_nothing_is_known_gives_no_span_at_all(changes: Body) -> None:
    reading = read(at(60, **changes))

    assert reading.sightings == ()
    assert len(reading.ignored) == 1


def test_what_janus_receives_itself_is_not_what_the_learner_received() -> None:
    told = metrics(**{"lost": 300, "jitter-local": 9_000, "packets-received": 500})

    assert told == metrics()


def test_no_more_lines_are_read_than_an_event_may_hold() -> None:
    reading = read(statistics(*[line(mid=str(mid)) for mid in range(65)]))

    assert len(reading.sightings) == 64
    assert reading.unknown == ("excess",)


counters = st.tuples(st.integers(0, 40), st.integers(0, 300), st.integers(0, 300))
stays = st.lists(counters, max_size=8, unique_by=lambda c: c[0])


def thread(steps: list[tuple[int, int, int]]) -> list[Sighting]:
    """Read a thread of statistics: seconds after NOON, lost, sent."""
    events = [at(s, **{"lost-by-remote": lost, "packets-sent": sent + 1}) for s, lost, sent in steps]
    return list(read(*events).sightings) if events else []


@given(st.data(), stays)
def test_neither_order_nor_repetition_nor_reading_again_changes_a_span(
    data: st.DataObject, steps: list[tuple[int, int, int]]
) -> None:
    whole = thread(steps)
    shuffled = data.draw(st.permutations(whole))
    told = settled(whole)

    assert settled(shuffled) == told
    assert settled(told) == told
    assert settled(whole + shuffled[:3])[-1:] == told[-1:]


@given(stays)
def test_every_span_is_a_span_and_every_loss_a_share(steps: list[tuple[int, int, int]]) -> None:
    for sighting in settled(thread(steps)):
        told = sighting.observation
        assert told.kind is Kind.QUALITY
        assert told.until is not None
        assert told.at < told.until
        assert 0 <= told.metrics.get("loss", 0) <= 1
