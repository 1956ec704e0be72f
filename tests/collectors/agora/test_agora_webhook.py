"""Agora's notification service."""

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from collector_specimens import AGORA, AGORA_SECRET, NOON, NOON_S, agora_headers, agora_notice

from collectors.agora import Agora
from collectors.agora.webhook import EVENTS, LEAVE_REASONS
from collectors.contract import Delivery, Reading, Refused, Sighting, Unreadable
from collectors.threads import named
from rules.observation import Fault, Kind, Vantage

# The documentation's own vector (enable_webhook_ncs, Chinese page, read 2026-11; the English page's no longer fits).
VECTOR = (
    b'{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f",'
    b'"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}'
)
VECTOR_SHA1 = "033c62f40f687675f17f0f41f91a40c71c0f134c"
VECTOR_SHA256 = "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99"


def read(body: dict[str, object]) -> Reading:
    """Read a notice as it comes from Agora."""
    return AGORA.collector.read(AGORA.delivery(body))


def only(reading: Reading) -> Sighting:
    """Take the one sighting of a reading."""
    (sighting,) = reading.sightings
    return sighting


def vector(**headers: str) -> Delivery:
    """Deliver the documentation's body with these headers."""
    named_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery("agora", VECTOR, named_headers, NOON)


@pytest.mark.parametrize(
    "headers",
    [
        {"agora_signature_v2": VECTOR_SHA256},
        {"agora_signature": VECTOR_SHA1},
        {"agora_signature": VECTOR_SHA1, "agora_signature_v2": VECTOR_SHA256},
    ],
)
def test_the_published_vector_is_believed_under_any_live_secret(headers: dict[str, str]) -> None:
    Agora(("secret",)).verify(vector(**headers))
    Agora(("older", "secret")).verify(vector(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"agora_signature": VECTOR_SHA1, "agora_signature_v2": "0" * 64},
        {"agora_signature": "0" * 40, "agora_signature_v2": VECTOR_SHA256},
        {"agora_signature": VECTOR_SHA256},
        {"agora_signature_v2": VECTOR_SHA1},
        {"agora_signature_v2": ""},
    ],
)
def test_every_signature_present_must_be_right(headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="wrong_signature"):
        Agora(("secret",)).verify(vector(**headers))


def test_two_signatures_must_be_right_under_the_same_secret() -> None:
    other = hmac.new(b"other", VECTOR, hashlib.sha1).hexdigest()

    with pytest.raises(Refused, match="wrong_signature"):
        Agora(("secret", "other")).verify(vector(agora_signature=other, agora_signature_v2=VECTOR_SHA256))


def test_the_same_object_written_with_other_spaces_is_refused() -> None:
    body = json.dumps(json.loads(VECTOR)).encode()

    with pytest.raises(Refused, match="wrong_signature"):
        Agora(("secret",)).verify(replace(vector(agora_signature_v2=VECTOR_SHA256), body=body))


def test_the_published_vectors_event_type_is_counted_as_unknown() -> None:
    assert Agora(("secret",)).read(vector()).unknown == ("event 10",)


@pytest.mark.parametrize("event", [103, 105, 107])
def test_a_join_of_any_profile_is_a_join(event: int) -> None:
    seen = only(read(agora_notice(event))).observation

    assert (seen.kind, seen.at, seen.vantage) == (Kind.JOINED, NOON, Vantage.SERVER)
    assert (seen.class_id, seen.participant_id) == ("r1", "u1")
    assert seen.domains == {"provider": "agora", "client": "web"}


# reason, fault, blamed dimension; every row of the documentation's tables.
REASONS = [
    (0, Fault.UNKNOWN, None),
    (1, Fault.LEARNER, None),
    (2, Fault.UNKNOWN, None),
    (3, Fault.UNKNOWN, None),
    (4, Fault.PLATFORM, "provider"),
    (5, Fault.LEARNER, None),
    (9, Fault.LEARNER, None),
    (10, Fault.UNKNOWN, None),
    (12, Fault.PLATFORM, "login"),
    (99, Fault.UNKNOWN, None),
    (999, Fault.UNKNOWN, None),
]


@pytest.mark.parametrize("event", [104, 106, 108])
@pytest.mark.parametrize(("reason", "fault", "blames"), REASONS)
def test_a_leave_carries_what_its_reason_alone_tells(event: int, reason: int, fault: Fault, blames: str | None) -> None:
    reading = read(agora_notice(event, reason=reason))
    seen = only(reading).observation

    assert (seen.kind, seen.fault, seen.blames, seen.code) == (Kind.LEFT, fault, blames, str(reason))
    assert reading.unknown == ()


def test_the_table_of_reasons_holds_nothing_but_the_documented_ones() -> None:
    assert set(LEAVE_REASONS) == {reason for reason, _, _ in REASONS}
    assert set(EVENTS) == {*range(101, 109), 111, 112}


@pytest.mark.parametrize("reason", [None, "one", {}, True])
def test_a_leave_without_a_reason_is_kept_and_counted(reason: object) -> None:
    reading = read(agora_notice(104, reason=reason))

    assert only(reading).observation.fault is Fault.UNKNOWN
    assert reading.unknown == ("reason missing",)


@pytest.mark.parametrize("product", [3, 4, 5, 17])
def test_the_product_is_looked_at_before_the_event(product: int) -> None:
    reading = read(agora_notice(103) | {"productId": product})

    assert reading == Reading(ignored=(f"product {product} event 103",))


def test_a_new_product_is_counted() -> None:
    assert read(agora_notice(103) | {"productId": 99}).unknown == ("product 99 event 103",)


@pytest.mark.parametrize("event", [101, 102, 111, 112])
def test_events_of_no_use_are_ignored_by_name(event: int) -> None:
    assert read(agora_notice(event)) == Reading(ignored=(f"event {event}",))


@pytest.mark.parametrize("event", [109, 110, 113, 0, 1030])
def test_events_nobody_documents_are_counted(event: int) -> None:
    assert read(agora_notice(event)) == Reading(unknown=(f"event {event}",))


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_the_consoles_test_channel_is_dropped(event: int) -> None:
    assert read(agora_notice(event, channelName="test_webhook")) == Reading(ignored=("test_webhook",))


@pytest.mark.parametrize("client_type", [3, 10])
def test_recorders_are_not_learners(client_type: int) -> None:
    assert read(agora_notice(103, platform=6, clientType=client_type)) == Reading(ignored=("recorder",))


@pytest.mark.parametrize(
    ("payload", "client"),
    [
        ({"platform": 6, "clientType": 8}, "mini-program"),
        ({"platform": 6}, "linux"),
        ({"platform": 6, "clientType": 4}, "linux"),
        ({"platform": 1, "clientType": 3}, "android"),
        ({"platform": 2}, "ios"),
        ({"platform": 5}, "windows"),
        ({"platform": 8}, "macos"),
        ({"platform": 0}, None),
    ],
)
def test_everybody_else_is_and_their_client_is_a_domain(payload: dict[str, object], client: str | None) -> None:
    reading = read(agora_notice(103, **payload))

    assert only(reading).observation.domains.get("client") == client
    assert reading.unknown == ()


def test_a_new_platform_is_counted_and_the_join_is_kept() -> None:
    reading = read(agora_notice(103, platform=12))

    assert only(reading).observation.domains == {"provider": "agora"}
    assert reading.unknown == ("platform 12",)


@pytest.mark.parametrize("account", [None, "", 7])
def test_without_an_account_the_participant_is_the_uid(account: object) -> None:
    assert only(read(agora_notice(103, account=account))).observation.participant_id == "12345"


def test_the_thread_goes_by_the_uid_even_where_only_one_notice_has_the_account() -> None:
    join = only(read(agora_notice(103)))
    leave = only(read(agora_notice(104, account="")))

    assert join.thread == leave.thread == "r1:12345"
    sessions = {sighting.observation.session for sighting in named([leave, join])}
    assert sessions == {f"r1:12345#{join.order}"}


def test_events_within_one_second_are_ordered_by_the_clients_count_of_64_bits() -> None:
    leave = only(read(agora_notice(104, clientSeq=16_250_510_358_369, ts=NOON_S)))
    again = only(read(agora_notice(103, clientSeq=2**63 - 1, ts=NOON_S)))

    assert (leave.order, again.order) == (16_250_510_358_369, 2**63 - 1)
    assert [s.observation.kind for s in named([again, leave])] == [Kind.LEFT, Kind.JOINED]


def test_the_same_event_under_another_notice_is_the_same_observation_in_another_delivery() -> None:
    first, other = agora_notice(103), agora_notice(103) | {"noticeId": "another"}

    assert only(read(first)) == only(read(other))
    assert only(read(first)).observation.id == "r1:12345:1762081200000:103"
    assert AGORA.collector.key(AGORA.delivery(first)) != AGORA.collector.key(AGORA.delivery(other))


def test_different_events_under_one_notice_are_different_deliveries() -> None:
    # Every sample of the documentation carries the same noticeId.
    keys = {
        AGORA.collector.key(AGORA.delivery(agora_notice(event, uid=uid) | {"noticeId": "2000001428:4330:107"}))
        for event in (103, 104, 107)
        for uid in (1, 2)
    }

    assert len(keys) == 6
    assert {key.minute for key in keys} == {NOON_S // 60}


@pytest.mark.parametrize("key", ["channelName", "uid", "clientSeq", "ts"])
@pytest.mark.parametrize("value", [None, "", "\x00", -1, 2**64, 1.5, [], {}])
def test_a_notice_without_what_a_sighting_needs_is_unreadable(key: str, value: object) -> None:
    with pytest.raises(Unreadable):
        read(agora_notice(103, **{key: value}))


def test_the_answer_is_200_with_json_or_agora_sends_it_again() -> None:
    status, body, content_type = AGORA.collector.answer(AGORA.delivery(agora_notice(103)))

    assert status == 200
    assert json.loads(body) == {"status": "ok"}
    assert content_type == "application/json"


def test_the_kept_headers_are_the_two_signatures() -> None:
    assert AGORA.collector.kept_headers == set(agora_headers(b""))
    assert AGORA_SECRET not in repr(AGORA.collector)
