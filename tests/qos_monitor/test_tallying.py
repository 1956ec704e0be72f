"""What is counted in the database: verdicts once, corrections beside them, labels within their room."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging_parts import Filed, drain, enrol, tell
from prometheus_client import CollectorRegistry
from rules_school import kept_out, lesson, local, present, school
from service_parts import MONDAY
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import experience, tallying
from qos_monitor.gauges import Gauges
from qos_monitor.joins import LIMIT, SETTLED_AFTER, goes, measure
from qos_monitor.metrics import tallied
from qos_monitor.metrics.labels import OPEN_MAX
from qos_monitor.storage import engine as storage
from qos_monitor.tallying import FORGOTTEN_AFTER, Counts
from rules import policy as policies
from rules.observation import Kind, Observation, Role, Vantage
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

CLASS = lesson("mon", "Mon 19:00", "u1", "u2")
FIRM: Instant = local("Mon 20:00") + 6 * HOUR
OWED = "qos_owed_learner_seconds_total"
DELIVERED = "qos_delivered_learner_seconds_total"


async def told(engine: AsyncEngine) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges = Gauges(engine, dict)
    registry.register(gauges)
    await gauges.refresh(FIRM)
    return registry


def total(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Sum the samples of a series that have at least these labels."""
    samples = (one for family in registry.collect() for one in family.samples if one.name == name)
    return sum(one.value for one in samples if labels.items() <= one.labels.items())


async def count(engine: AsyncEngine, counts: Counts, now: Instant = MONDAY) -> None:
    async with storage.writing(engine) as conn:
        await tallying.add(conn, counts, now)


async def test_a_verdict_counts_when_it_becomes_firm_and_only_once(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, school([CLASS]))
    await tell(engine, [*present(CLASS, "u1"), *kept_out(CLASS, "u2")], FIRM)

    await drain(engine, FIRM - 1, filed)
    provisional = await told(engine)
    for now in (FIRM, FIRM + HOUR):
        await drain(engine, now, filed)
    firm = await told(engine)

    assert total(provisional, OWED) == 0
    assert total(provisional, "qos_verdicts", firm="no") == 2
    assert (total(firm, OWED), total(firm, DELIVERED)) == (7200, 3600)
    assert total(firm, "qos_lost_learner_seconds_total", fault="platform") == 3600
    assert total(firm, "qos_learner_classes_total", outcome="failed") == 1
    assert total(firm, "qos_release_learner_classes_total", outcome="served", release="none") == 1
    assert total(firm, "qos_firm_verdicts_total", verdict="UNABLE_PLATFORM") == 1
    assert (total(firm, "qos_verdicts", firm="no"), total(firm, "qos_verdicts", firm="yes")) == (0, 2)
    assert total(firm, "qos_verdict_lag_seconds_count") == 4


async def test_what_changes_after_is_a_correction_and_no_counter_falls(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, school([CLASS]))
    await tell(engine, present(CLASS, "u1"), FIRM)
    await drain(engine, FIRM, filed)
    before = await told(engine)

    await tell(engine, kept_out(CLASS, "u2"), FIRM + HOUR)
    await drain(engine, FIRM + HOUR, filed)
    after = await told(engine)

    assert total(before, DELIVERED) == total(after, DELIVERED) == 7200
    assert total(after, "qos_corrected_learner_seconds_total", of="delivered", direction="down") == 3600
    assert total(after, "qos_corrected_learner_seconds_total", of="owed") == 0
    assert total(after, "qos_verdicts", verdict="NO_SHOW") == 0


async def test_what_is_no_longer_on_the_roster_is_taken_back_as_a_correction(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, school([CLASS], present(CLASS, "u1")))
    await drain(engine, FIRM, filed)

    await enrol(engine, school([lesson("mon", "Mon 19:00", "u1")]))
    await drain(engine, FIRM, filed)

    after = await told(engine)
    assert total(after, OWED) == 7200
    assert total(after, "qos_corrected_learner_seconds_total", of="owed", direction="down") == 3600
    assert total(after, "qos_verdicts") == 1


async def test_values_beyond_the_room_of_a_label_are_other_and_counted(engine: AsyncEngine) -> None:
    most = OPEN_MAX["release"]
    many = Counts()
    for number in range(most + 3):
        many.add(tallied.RELEASE_OWED, f"v{number:03}", count=1000)

    await count(engine, many)
    again = Counts()
    again.add(tallied.RELEASE_OWED, "v000", count=1000)
    again.add(tallied.RELEASE_OWED, "v999", count=1000)
    await count(engine, again)

    registry = await told(engine)
    name = "qos_release_owed_learner_seconds_total"
    releases = {one.labels["release"] for family in registry.collect() for one in family.samples if one.name == name}
    assert len(releases) == most + 1
    assert total(registry, name, release="v000") == 2
    assert total(registry, name, release="other") == 4
    assert total(registry, "qos_labels_folded_total", label="release") == 4000


async def test_a_value_that_nobody_used_for_long_makes_room_for_a_new_one(engine: AsyncEngine) -> None:
    full = Counts()
    for number in range(OPEN_MAX["release"]):
        full.add(tallied.RELEASE_OWED, f"v{number:03}", count=1000)
    await count(engine, full)
    used = Counts()
    for number in range(1, OPEN_MAX["release"]):
        used.add(tallied.RELEASE_OWED, f"v{number:03}", count=1000)
    await count(engine, used, MONDAY + 2 * DAY)
    new = Counts()
    new.add(tallied.RELEASE_OWED, "v999", count=1000)

    await count(engine, new, MONDAY + FORGOTTEN_AFTER)
    early = await told(engine)
    await count(engine, new, MONDAY + FORGOTTEN_AFTER + 1)
    late = await told(engine)

    name = "qos_release_owed_learner_seconds_total"
    assert (total(early, name, release="v999"), total(early, name, release="other")) == (0, 1)
    assert (total(late, name, release="v999"), total(late, name, release="v000")) == (1, 0)


async def test_a_histogram_holds_each_value_in_the_first_bucket_that_reaches_it(engine: AsyncEngine) -> None:
    counts = Counts()
    for seconds in (0.5, 5.0, 5.001, 60.0):
        counts.observe(tallied.JOIN_SECONDS, seconds, "agora")
    await count(engine, counts)

    registry = await told(engine)

    name = "qos_join_duration_seconds"
    at = {le: total(registry, f"{name}_bucket", le=le) for le in ("0.5", "3.0", "5.0", "30.0", "+Inf")}
    assert at == {"0.5": 1, "3.0": 1, "5.0": 2, "30.0": 3, "+Inf": 4}
    assert total(registry, f"{name}_sum") == pytest.approx(70.501)


def quality(**metrics: float) -> Observation:
    return Observation(
        source="beacon",
        id="q",
        kind=Kind.QUALITY,
        at=MONDAY,
        until=MONDAY + 10 * SECOND,
        class_id="c1",
        participant_id="u1",
        role=Role.LEARNER,
        vantage=Vantage.CLIENT,
        domains={"node": "bj-7"},
        metrics=metrics,
    )


@pytest.mark.parametrize(("offset_ms", "is_in_sync"), [(-186, False), (-185, True), (0, True), (90, True), (91, False)])
def test_sound_and_picture_are_in_sync_within_the_bounds_of_the_promise(offset_ms: float, is_in_sync: bool) -> None:
    counts = experience.counted([quality(av_offset_ms=offset_ms)], {"c1": "agora"}, policies.default().impaired)

    assert counts.of[tallied.AV_MEASURED]["agora", "bj-7"] == 10_000
    assert (tallied.AV_DESYNC in counts.of) is not is_in_sync


def test_freezing_is_counted_under_the_provider_of_the_class_whoever_told() -> None:
    counts = experience.counted([quality(audio_frozen=0.25)], {"c1": "agora"}, policies.default().impaired)

    assert counts.of[tallied.WATCHED]["agora", "bj-7", "audio"] == 10_000
    assert counts.of[tallied.FROZEN]["agora", "bj-7", "audio"] == 2_500


def test_a_node_that_is_seen_has_its_room_before_anything_is_counted_under_it() -> None:
    joined = replace(quality(), kind=Kind.JOINED, session="s1", until=None)

    counts = experience.counted([joined], {"c1": "agora"}, policies.default().impaired)

    assert list(counts.named) == [("provider", "", "agora"), ("node", "agora", "bj-7")]


async def test_a_go_is_measured_once_three_minutes_after_its_try_was_stored(engine: AsyncEngine) -> None:
    await enrol(engine, school([CLASS]))
    start = CLASS.starts_at
    tried = replace(quality(), id="t", kind=Kind.ATTEMPTED, at=start, until=None, class_id=CLASS.id)
    joined = replace(tried, id="j", kind=Kind.JOINED, at=start + 4 * SECOND, session="s1")
    await tell(engine, [tried, joined], start)

    looked = [await measure(engine, start + after) for after in (SETTLED_AFTER - 1, SETTLED_AFTER, SETTLED_AFTER)]

    registry = await told(engine)
    assert looked == [0, 1, 0]
    assert total(registry, "qos_joins_total", result="joined") == 1
    assert total(registry, "qos_join_duration_seconds_bucket", le="5.0") == 1
    assert total(registry, "qos_join_duration_seconds_bucket", le="3.0") == 0


TRY, IN, OUT = Kind.ATTEMPTED.value, Kind.JOINED.value, Kind.JOIN_FAILED.value


@pytest.mark.parametrize(
    ("events", "took"),
    [
        ([(0, TRY), (4_999, IN)], [4_999]),
        ([(0, TRY), (LIMIT, IN)], [LIMIT]),
        ([(0, TRY), (LIMIT + 1, IN)], [None]),
        ([(0, TRY), (1_000, TRY), (3_000, IN)], [3_000]),
        ([(0, TRY), (1_000, OUT), (2_000, TRY), (3_000, IN)], [None, 1_000]),
        ([(0, TRY), (LIMIT + 1, TRY), (LIMIT + 2, IN)], [None, 1]),
        ([(0, IN)], []),
        ([(0, TRY)], [None]),
    ],
)
def test_a_go_ends_with_the_join_the_failure_or_the_minute(
    events: list[tuple[int, str]], took: list[int | None]
) -> None:
    assert [go.took for go in goes((at, seq, kind) for seq, (at, kind) in enumerate(events))] == took


@given(
    st.lists(st.tuples(st.integers(0, 5 * MINUTE), st.sampled_from((TRY, IN, OUT))), max_size=20),
    st.randoms(use_true_random=False),
)
def test_goes_do_not_depend_on_the_order_in_which_events_came(events: list[tuple[int, str]], random: object) -> None:
    numbered = [(at, seq, kind) for seq, (at, kind) in enumerate(events)]
    shuffled = list(numbered)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis's own Random

    assert list(goes(shuffled)) == list(goes(numbered))
    assert all(go.took is None or 0 <= go.took <= LIMIT for go in goes(numbered))
