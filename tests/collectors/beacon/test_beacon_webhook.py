"""A batch of what one client saw."""

from dataclasses import replace

import pytest
from collector_specimens import BEACON, BEACON_SECRET, NOON, Body, beacon_batch, snapshot

from collectors.beacon import Beacon, mint
from collectors.beacon.codes import CODES
from collectors.contract import Delivery, Reading, Refused, Unreadable
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import DAY, HOUR, MINUTE

RECEIVED = NOON + 5_000


def read(body: Body) -> Reading:
    """Read a batch that was received five seconds after NOON."""
    return BEACON.collector.read(BEACON.delivery(body))


def seen(*items: object, **changes: object) -> list[Observation]:
    """Take the observations of a batch of these items."""
    return [sighting.observation for sighting in read(beacon_batch(*items, **changes)).sightings]


def carried(token: str, body: Body, received_at: int = RECEIVED) -> Delivery:
    """Deliver a batch under this token."""
    return replace(BEACON.delivery(body, received_at), headers={"authorization": f"Bearer {token}"})


def test_everything_is_seen_by_the_client_and_placed_by_the_token_alone() -> None:
    told = {"learner": "u2", "class": "c2", "class_id": "c2", "participant_id": "u2", "role": "teacher"}
    reading = read(beacon_batch({"kind": "attempted", "at": NOON} | told, **told))
    (sighting,) = reading.sightings
    observation = sighting.observation

    assert sighting.placed
    assert (observation.class_id, observation.participant_id, observation.role) == ("c1", "u1", Role.LEARNER)
    assert (observation.vantage, observation.source) == (Vantage.CLIENT, "beacon")
    assert observation.domains == {"network": "CMCC-Guangdong", "node": "bj-7", "client": "web 4.2.0"}


def test_a_teachers_token_makes_teachers_observations() -> None:
    token = mint(BEACON_SECRET, "t1", "c1", NOON + HOUR, Role.TEACHER)
    reading = BEACON.collector.read(carried(token, beacon_batch({"kind": "attempted", "at": NOON})))

    assert reading.sightings[0].observation.role is Role.TEACHER


def test_a_stored_batch_reads_the_same_long_after_its_token_expired() -> None:
    collector = Beacon((BEACON_SECRET,))
    token = mint(BEACON_SECRET, "u1", "c1", NOON + 60_000)
    delivery = carried(token, beacon_batch({"kind": "attempted", "at": NOON}))

    collector.verify(delivery)
    with pytest.raises(Refused, match="expired"):
        collector.verify(replace(delivery, received_at=NOON + 60_000))
    assert Beacon(("rotated",)).read(delivery).sightings


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "bearer  "])
def test_without_a_bearer_token_nothing_is_believed(header: str) -> None:
    delivery = replace(BEACON.delivery(beacon_batch()), headers={"authorization": header})

    with pytest.raises(Refused, match="missing_signature"):
        BEACON.collector.verify(delivery)
    with pytest.raises(Unreadable):
        BEACON.collector.read(delivery)


def test_the_word_bearer_may_be_written_in_any_case() -> None:
    delivery = carried(mint(BEACON_SECRET, "u1", "c1", NOON + HOUR), beacon_batch())
    BEACON.collector.verify(
        replace(delivery, headers={"authorization": delivery.headers["authorization"].replace("B", "b", 1)})
    )


def test_nobody_can_use_up_the_batch_id_of_another_learner_or_class() -> None:
    keys = {
        BEACON.collector.key(carried(mint(BEACON_SECRET, learner, class_id, NOON + HOUR), beacon_batch()))
        for learner, class_id in (("u1", "c1"), ("u2", "c1"), ("u1", "c2"))
    }

    assert len(keys) == 3
    assert {key.minute for key in keys} == {NOON // MINUTE}


@pytest.mark.parametrize(("header", "batch"), [("", "b-1"), ("Bearer x.y", "b-1"), (None, "")])
def test_a_batch_that_is_nobodys_or_has_no_id_is_named_by_its_bytes(header: str | None, batch: str) -> None:
    delivery = BEACON.delivery(beacon_batch(batch=batch))
    if header is not None:
        delivery = replace(delivery, headers={"authorization": header})

    assert BEACON.collector.key(delivery).event_id.startswith("sha256:")


@pytest.mark.parametrize("made_at", [None, "noon", -5, 1e300])
def test_a_batch_that_does_not_say_when_it_was_made_has_minute_0(made_at: object) -> None:
    assert BEACON.collector.key(BEACON.delivery(beacon_batch(made_at=made_at))).minute == 0


@pytest.mark.parametrize(
    "changes",
    [{"batch": ""}, {"batch": 7}, {"sent_at": None}, {"sent_at": "now"}, {"sent_at": 1e300}, {"items": {}}],
)
def test_a_batch_without_its_frame_is_unreadable(changes: dict[str, object]) -> None:
    with pytest.raises(Unreadable):
        read(beacon_batch({"kind": "attempted", "at": NOON}, **changes))


@pytest.mark.parametrize("wrong_by", [0, 400 * DAY, -400 * DAY, 90_000, -1])
def test_a_clock_that_is_wrong_by_any_amount_is_put_right_by_its_own_offset(wrong_by: int) -> None:
    items: list[object] = [
        {"kind": "attempted", "at": NOON + wrong_by},
        {"kind": "stats", "snapshots": [snapshot(NOON + wrong_by), snapshot(NOON + 5_000 + wrong_by)]},
    ]
    attempt, quality = seen(*items, sent_at=RECEIVED + wrong_by)

    assert attempt.at == NOON
    assert (quality.at, quality.until) == (NOON, NOON + 5_000)


@pytest.mark.parametrize(
    ("at", "is_used"),
    [
        (RECEIVED - 6 * HOUR, True),
        (RECEIVED - 6 * HOUR - 1, False),
        (RECEIVED + MINUTE, True),
        (RECEIVED + MINUTE + 1, False),
        (0, False),
        (-1e15, False),
        (1e300, False),
        ("2026-11-02T11:00:00Z", False),
        (None, False),
        (True, False),
    ],
)
def test_an_item_far_from_its_receipt_is_counted_and_not_used(at: object, is_used: bool) -> None:
    reading = read(beacon_batch({"kind": "attempted", "at": at}, {"kind": "attempted", "at": NOON}))

    assert len(reading.sightings) == (2 if is_used else 1)
    assert reading.unknown == (() if is_used else ("time",))


def test_parts_of_a_millisecond_are_cut_off() -> None:
    assert seen({"kind": "attempted", "at": NOON + 0.999}, sent_at=RECEIVED + 0.001)[0].at == NOON


FAULTS = [
    ("PERMISSION_DENIED", Fault.LEARNER, None),
    ("NOT_READABLE", Fault.LEARNER, None),
    ("NotAllowedError", Fault.LEARNER, None),
    ("device_denied", Fault.LEARNER, None),
    ("TOKEN_EXPIRE", Fault.PLATFORM, "login"),
    ("NO_ACTIVE_STATUS", Fault.PLATFORM, "login"),
    ("token_refused", Fault.PLATFORM, "login"),
    (109, Fault.PLATFORM, "login"),
    ("110", Fault.PLATFORM, "login"),
    ("reason-8", Fault.PLATFORM, "login"),
    ("SERVER_ERROR", Fault.PLATFORM, "provider"),
    (103, Fault.PLATFORM, "provider"),
    (9, Fault.LEARNER, None),
    ("CONSTRAINT_NOT_SATISFIED", Fault.UNKNOWN, None),
    ("OPERATION_ABORTED", Fault.UNKNOWN, None),
    ("CAN_NOT_GET_GATEWAY_SERVER", Fault.UNKNOWN, None),
    ("NETWORK_TIMEOUT", Fault.UNKNOWN, None),
    ("WS_ABORT", Fault.UNKNOWN, None),
    (111, Fault.UNKNOWN, None),
    ("JOIN_FAILURE", Fault.UNKNOWN, None),
]


@pytest.mark.parametrize(("code", "fault", "blames"), FAULTS)
def test_a_failure_carries_what_its_code_alone_tells(code: object, fault: Fault, blames: str | None) -> None:
    reading = read(beacon_batch({"kind": "join_failed", "at": NOON, "code": code}))
    failure = reading.sightings[0].observation

    assert (failure.kind, failure.fault, failure.blames) == (Kind.JOIN_FAILED, fault, blames)
    assert failure.code == str(code)
    assert reading.unknown == ()


@pytest.mark.parametrize("code", [-110, "-110", 110, "110", 110.0])
def test_agoras_numbers_may_have_either_sign(code: object) -> None:
    (failure,) = seen({"kind": "join_failed", "at": NOON, "code": code})

    assert (failure.code, failure.blames) == ("110", "login")


@pytest.mark.parametrize("code", [None, "", [], 3.5, True, "SOLAR_FLARE", "x" * 10_000])
def test_a_failure_with_a_new_code_is_kept_as_unknown_and_counted(code: object) -> None:
    reading = read(beacon_batch({"kind": "join_failed", "at": NOON, "code": code}))

    assert reading.sightings[0].observation.fault is Fault.UNKNOWN
    assert reading.unknown == ("code",)


def test_no_network_word_in_the_table_blames_anybody() -> None:
    assert all(
        fault is Fault.UNKNOWN
        for code, (fault, _) in CODES.items()
        if any(word in code.lower() for word in ("network", "timeout", "gateway", "abort", "unreachable"))
    )


def test_joins_and_leaves_need_the_clients_own_session() -> None:
    joined, left = seen(
        {"kind": "joined", "at": NOON, "session": "s-1"},
        {"kind": "left", "at": NOON + 1, "session": "s-1", "code": "LEAVE"},
        {"kind": "joined", "at": NOON},
        {"kind": "left", "at": NOON, "session": 7},
    )

    assert (joined.kind, joined.session, left.kind, left.session) == (Kind.JOINED, "s-1", Kind.LEFT, "s-1")
    assert left.fault is Fault.LEARNER


def test_what_a_client_writes_is_never_the_name_of_a_count() -> None:
    reading = read(beacon_batch(7, {"kind": "<script>"}, {"kind": ["a"]}, {"kind": "joined", "at": NOON}))

    assert reading.unknown == ("item", "kind", "kind", "session")


def test_more_items_than_a_batch_may_hold_are_counted_and_the_first_are_read() -> None:
    reading = read(beacon_batch(*[{"kind": "attempted", "at": NOON}] * 503))

    assert len(reading.sightings) == 500
    assert reading.unknown == ("excess",) * 3


@pytest.mark.parametrize("domains", [None, [], "bj-7", {"node": 7}, {"provider": "evil", "teacher": "t1"}])
def test_a_client_names_its_own_domains_and_no_others(domains: object) -> None:
    (attempt,) = seen({"kind": "attempted", "at": NOON}, domains=domains, app=None)

    assert attempt.domains == {}


def agora(**changes: object) -> Body:
    """Build an item of Agora's native statistics over two seconds."""
    return {"kind": "agora_stats", "at": NOON, "until": NOON + 2_000, **changes}


def test_agoras_own_offset_has_our_sign_and_its_frozen_rate_is_a_share() -> None:
    (quality,) = seen(
        agora(
            audio={"frozenRate": 7, "audioLossRate": 25, "e2eDelay": 410},
            video={"avSyncTimeMs": 120, "frozenRate": 50, "rendererOutputFrameRate": 12, "e2eDelay": 0},
        )
    )

    assert (quality.kind, quality.at, quality.until) == (Kind.QUALITY, NOON, NOON + 2_000)
    assert quality.metrics == {
        "audio_frozen": 0.07,
        "video_frozen": 0.5,
        "av_offset_ms": 120,
        "delay_ms": 410,
        "loss": 0.25,
        "fps": 12,
    }


def test_two_totals_tell_what_froze_between_them_and_not_since_the_join() -> None:
    (quality,) = seen(
        agora(
            video={"totalFrozenTime": 31_000, "frozenRate": 60},
            previous={"video": {"totalFrozenTime": 30_500}},
        )
    )

    assert quality.metrics == {"video_frozen": 0.25}


def test_a_total_that_starts_anew_says_nothing() -> None:
    reading = read(
        beacon_batch(
            agora(video={"totalFrozenTime": 10}, previous={"video": {"totalFrozenTime": 900}}),
        )
    )

    assert reading.sightings == ()
    assert reading.ignored == ("counter_reset", "nothing_measured")


@pytest.mark.parametrize("value", ["40", 10_001, -10_001, 1e300, [], True])
def test_an_offset_that_cannot_be_is_unknown_and_never_zero(value: object) -> None:
    reading = read(beacon_batch(agora(video={"avSyncTimeMs": value, "rendererOutputFrameRate": 15})))

    assert reading.sightings[0].observation.metrics == {"fps": 15}
    assert reading.unknown == ("metric",)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"until": NOON}, "time"),
        ({"until": NOON - 1}, "time"),
        ({"at": None}, "time"),
        ({"at": NOON - 200_000}, "span"),
    ],
)
def test_statistics_over_no_span_or_too_long_a_one_are_not_used(changes: dict[str, object], note: str) -> None:
    reading = read(beacon_batch(agora(video={"avSyncTimeMs": 5}, **changes)))

    assert reading.sightings == ()
    assert note in reading.unknown


def test_a_span_in_which_nothing_was_measured_is_not_reported_as_a_good_one() -> None:
    reading = read(beacon_batch(agora(audio={}, video={})))

    assert reading == Reading(ignored=("nothing_measured",))
