"""Twilio Video's status callbacks and event streams."""

import hashlib
import json
import sys
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from collector_specimens import NOON, Body
from twilio.request_validator import RequestValidator
from twilio_specimen import (
    PARTICIPANT,
    TWILIO,
    TWILIO_TOKEN,
    TWILIO_URL,
    twilio_callback,
    twilio_headers,
    twilio_summary,
    twilio_written,
)

from collectors.contract import ANYWHERE, Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from collectors.twilio import Twilio, build
from collectors.twilio.codes import END_REASONS, ERROR_CODES
from collectors.twilio.webhook import CALLBACKS, EVENTS_MAX, IGNORED_TYPES, SUMMARIES
from rules.observation import Fault, Kind, Vantage
from rules.span import MINUTE


def read(body: Body | bytes) -> Reading:
    """Read a callback as it comes from Twilio."""
    return TWILIO.collector.read(TWILIO.delivery(body))


def only(reading: Reading) -> Sighting:
    """Take the one sighting of a reading."""
    (sighting,) = reading.sightings
    return sighting


def key(body: Body | bytes) -> DeliveryKey:
    """Name a delivery."""
    return TWILIO.collector.key(TWILIO.delivery(body))


def changed(event: Body, told: Body) -> Body:
    """Replace keys of a summary's data."""
    data = event["data"]
    assert isinstance(data, dict)
    return event | {"data": data | told}


def delivery(body: bytes, signature: str, **headers: str) -> Delivery:
    """Deliver a body under a signature that somebody else computed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery("twilio", body, {"x-twilio-signature": signature, **named}, NOON)


CALLBACK = twilio_callback("participant-connected", ParticipantIdentity="Zoë & 名", Empty="")
FORM = twilio_written(CALLBACK)
FIELDS = {name: str(value) for name, value in CALLBACK.items()}
EVENT_STREAM = json.dumps([twilio_summary()], indent=1).encode()
EVENT_STREAM_URL = f"{TWILIO_URL}?bodySHA256={hashlib.sha256(EVENT_STREAM).hexdigest()}"


@pytest.mark.parametrize("url", [TWILIO_URL, TWILIO_URL.replace("example/", "example:443/")])
@pytest.mark.parametrize("tokens", [(TWILIO_TOKEN,), ("older", TWILIO_TOKEN)])
def test_what_the_maintained_library_signs_is_believed_under_any_live_token(url: str, tokens: tuple[str, ...]) -> None:
    twilio = Twilio(tokens, TWILIO_URL)

    twilio.verify(delivery(FORM, RequestValidator(TWILIO_TOKEN).compute_signature(url, FIELDS)))
    event_stream_url = EVENT_STREAM_URL.replace(TWILIO_URL, url)
    twilio.verify(delivery(EVENT_STREAM, RequestValidator(TWILIO_TOKEN).compute_signature(event_stream_url, {})))


@pytest.mark.parametrize("setting", ["algorithm=HMAC_SHA256", "key=webhooks_sharedkey_1,algorithm=hmac_sha256"])
def test_a_signature_of_the_newer_kind_is_believed_as_its_header_says(setting: str) -> None:
    signature = RequestValidator(TWILIO_TOKEN).compute_signature(TWILIO_URL, FIELDS, "HMAC_SHA256")

    TWILIO.collector.verify(delivery(FORM, signature, x_twilio_webhooks_signature_settings=setting))
    with pytest.raises(Refused, match="wrong_signature"):
        TWILIO.collector.verify(delivery(FORM, signature))


def test_a_kind_of_signature_nobody_knows_is_refused() -> None:
    headers = {**twilio_headers(FORM), "x-twilio-webhooks-signature-settings": "algorithm=ROT13"}

    with pytest.raises(Refused, match="wrong_signature"):
        TWILIO.collector.verify(Delivery("twilio", FORM, headers, NOON))


@pytest.mark.parametrize("body", [FORM, EVENT_STREAM])
@pytest.mark.parametrize(
    "url", ["http://qos.school.example/webhooks/twilio", f"{TWILIO_URL}/", "https://other.example"]
)
def test_a_signature_for_another_url_is_refused(body: bytes, url: str) -> None:
    with pytest.raises(Refused, match="wrong_signature"):
        TWILIO.collector.verify(Delivery("twilio", body, twilio_headers(body, url=url), NOON))


def test_another_body_under_a_signed_hash_is_refused() -> None:
    body = EVENT_STREAM.replace(b'"u1"', b'"u2"')

    with pytest.raises(Refused, match="wrong_signature"):
        TWILIO.collector.verify(Delivery("twilio", body, twilio_headers(EVENT_STREAM), NOON))


@pytest.mark.parametrize("extra", [b"&Extra", b"&Extra=", b"&RoomName=r2", b"&=x"])
def test_a_field_that_was_not_signed_is_refused_even_if_it_is_empty(extra: bytes) -> None:
    with pytest.raises(Refused, match="wrong_signature"):
        TWILIO.collector.verify(Delivery("twilio", FORM + extra, twilio_headers(FORM), NOON))


def test_json_is_never_believed_as_a_form() -> None:
    body = b'{"x":"&' + FORM + b'&"}'

    with pytest.raises(Refused, match="wrong_signature"):
        TWILIO.collector.verify(Delivery("twilio", body, twilio_headers(FORM), NOON))


def test_a_form_of_more_fields_than_anybody_sends_is_refused() -> None:
    with pytest.raises(Refused, match="wrong_body"):
        TWILIO.collector.verify(delivery(b"a=1&" * 1_000, "signature"))


def test_without_the_library_the_message_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "twilio.request_validator", None)

    with pytest.raises(ValueError, match=r"install qos-monitor\[twilio\]"):
        Twilio((TWILIO_TOKEN,), TWILIO_URL)


@pytest.mark.parametrize(
    "url", ["", "qos.school.example", "ftp://x", "https://", "https://x:port/", f"{TWILIO_URL}?a=b"]
)
def test_the_url_must_be_one_that_twilio_can_have_been_given(url: str) -> None:
    with pytest.raises(ValueError, match="twilio needs the URL"):
        Twilio((TWILIO_TOKEN,), url)


def test_the_settings_make_a_collector_of_tokens_and_one_url() -> None:
    assert build((f"a@{TWILIO_URL}", f"b@{TWILIO_URL}")) == Twilio(("a", "b"), TWILIO_URL)
    for secrets in ((), ("hidden",), (f"hidden@{TWILIO_URL}", "hidden@https://other.example"), (f"@{TWILIO_URL}",)):
        with pytest.raises(ValueError, match="twilio") as refused:
            build(secrets)
        assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("event", "kind"), [("participant-connected", Kind.JOINED), ("participant-disconnected", Kind.LEFT)]
)
def test_a_callback_tells_who_came_and_who_left(event: str, kind: Kind) -> None:
    seen = only(read(twilio_callback(event))).observation

    assert (seen.kind, seen.at, seen.vantage) == (kind, NOON, Vantage.SERVER)
    assert (seen.class_id, seen.participant_id, seen.session) == ("r1", "u1", PARTICIPANT)
    assert (seen.fault, seen.code) == (Fault.UNKNOWN, None)


@pytest.mark.parametrize("event", sorted(name for name, kind in CALLBACKS.items() if kind == "ignored"))
def test_events_of_no_use_are_ignored_by_name(event: str) -> None:
    assert read(twilio_callback(event)) == Reading(ignored=(event,))


@pytest.mark.parametrize("name", ["Timestamp", "ParticipantSid", "ParticipantIdentity", "StatusCallbackEvent"])
@pytest.mark.parametrize("value", ["", "\x00"])
def test_a_callback_without_what_a_sighting_needs_is_unreadable(name: str, value: str) -> None:
    with pytest.raises(Unreadable):
        read(twilio_callback("participant-connected", **{name: value}))


@pytest.mark.parametrize("at", ["2026-11-02T11:00:00", "yesterday", "0001-01-01T00:00:00Z", "1762081200"])
def test_a_time_without_a_zone_or_of_another_century_is_unreadable(at: str) -> None:
    with pytest.raises(Unreadable):
        read(twilio_callback("participant-connected", Timestamp=at))


def test_a_room_without_a_name_is_known_by_its_sid() -> None:
    seen = only(read(twilio_callback("participant-connected", RoomName=""))).observation

    assert seen.class_id == "RM0000000000000000000000000000001"


def test_a_summary_without_the_rooms_name_is_placed_by_whom_it_is_about() -> None:
    unnamed = read(changed(twilio_summary(), {})).sightings
    named = read(changed(twilio_summary(), {"room_name": "r1"})).sightings

    assert {seen.observation.class_id for seen in unnamed} == {ANYWHERE}
    assert {seen.observation.class_id for seen in named} == {"r1"}


def test_a_field_given_twice_with_two_values_is_not_used() -> None:
    with pytest.raises(Unreadable):
        read(twilio_written(twilio_callback("participant-connected")) + b"&ParticipantSid=another")


def test_the_key_of_a_callback_is_its_event_sids_sequence_number_and_time() -> None:
    first = twilio_callback("participant-connected")
    others = [
        twilio_callback("participant-disconnected"),
        first | {"SequenceNumber": "5"},
        first | {"ParticipantSid": "PA2"},
        first | {"RoomSid": "RM2"},
        first | {"Timestamp": "2026-11-02T11:00:00.001Z"},
    ]

    assert key(first).minute == NOON // MINUTE
    assert key(first | {"RoomStatus": "completed"}) == key(first)
    assert len({key(body) for body in (first, *others)}) == 6


def test_the_key_of_a_batch_is_the_ids_of_its_events_in_any_order() -> None:
    one, other = twilio_summary(), twilio_summary(error_code=53001)
    batches = [json.dumps(batch).encode() for batch in ([one, other], [other, one], [one])]

    assert key(batches[0]) == key(batches[1]) != key(batches[2])


def test_a_summary_tells_a_stay_and_how_it_ended() -> None:
    joined, left = (sighting.observation for sighting in read(twilio_summary()).sightings)

    assert (joined.kind, joined.at) == (Kind.JOINED, NOON)
    assert (left.kind, left.at, left.fault, left.code) == (
        Kind.LEFT,
        NOON + MINUTE,
        Fault.UNKNOWN,
        "disconnected_via_api",
    )
    assert joined.session == left.session == PARTICIPANT
    assert joined.domains == {"provider": "twilio", "region": "us1", "node": "ashburn"}


@pytest.mark.parametrize(("code", "blame"), ERROR_CODES.items())
def test_an_error_code_ends_a_stay_with_the_fault_it_tells(code: int, blame: tuple[Fault, str | None]) -> None:
    reading = read(twilio_summary(error_code=code))
    left = reading.sightings[-1].observation

    assert (left.kind, left.fault, left.blames, left.code) == (Kind.LEFT, *blame, str(code))
    assert reading.unknown == ()


@pytest.mark.parametrize("told", [{"duration_sec": 0}, {"join_time": None}, {"duration_sec": "0"}])
def test_an_error_before_the_first_second_is_a_failure_to_get_in(told: dict[str, object]) -> None:
    attempted, failed = (s.observation for s in read(changed(twilio_summary(error_code=53006), told)).sightings)

    assert (attempted.kind, failed.kind) == (Kind.ATTEMPTED, Kind.JOIN_FAILED)
    assert attempted.at <= failed.at == NOON + MINUTE
    assert (failed.fault, failed.blames, failed.session) == (Fault.PLATFORM, "provider", None)


def test_a_failure_without_any_time_of_its_own_is_of_the_events() -> None:
    failed = read(twilio_summary(error_code=20104, join_time=None, leave_time=None)).sightings[-1].observation

    assert (failed.at, failed.blames) == (NOON + 2 * MINUTE, "login")


def test_new_codes_and_reasons_are_counted_and_kept() -> None:
    assert read(twilio_summary(error_code=53999)).unknown == ("error_code 53999",)
    assert read(twilio_summary(end_reason="vanished")).unknown == ("end_reason vanished",)
    assert read(twilio_summary(end_reason=None)).unknown == ()
    assert set(END_REASONS) == {"disconnected_via_api"}


def test_a_callbacks_leave_and_a_summarys_are_two_observations_of_one_session() -> None:
    callback = only(read(twilio_callback("participant-disconnected"))).observation
    summary = read(twilio_summary(error_code=53205)).sightings[-1].observation

    assert callback.session == summary.session
    assert callback.id != summary.id


@pytest.mark.parametrize("event_type", sorted(IGNORED_TYPES))
def test_summaries_of_rooms_are_ignored_by_name(event_type: str) -> None:
    assert read(twilio_summary() | {"type": event_type}) == Reading(ignored=(event_type,))


def test_a_batch_may_hold_used_ignored_and_new_events_or_be_a_single_one() -> None:
    kinds = [*sorted(SUMMARIES), *sorted(IGNORED_TYPES), "com.twilio.video.new"]
    events = [twilio_summary() | {"type": kind, "id": kind} for kind in kinds]

    reading = read(json.dumps(events).encode())

    assert len(reading.sightings) == 4
    assert len({s.observation.id for s in reading.sightings}) == 4
    assert (len(reading.ignored), reading.unknown) == (2, ("event com.twilio.video.new",))
    assert read(json.dumps(events[0]).encode()).sightings == read(json.dumps(events[:1]).encode()).sightings


@pytest.mark.parametrize("raw", [b"[]", b"[1]", b"[{}]", b"{}", b'[{"type":7}]', b"[" + b"{}," * EVENTS_MAX + b"{}]"])
def test_a_batch_that_is_none_is_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read(raw)


@pytest.mark.parametrize("name", ["participant_sid", "participant_identity", "room_sid"])
def test_a_summary_about_nobody_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable):
        read(changed(twilio_summary(), {name: None}))


def test_a_stored_delivery_can_be_verified_again_without_the_url_it_came_to() -> None:
    stored = TWILIO.delivery(EVENT_STREAM)

    TWILIO.collector.verify(replace(stored, received_at=NOON + 10**9))
    assert TWILIO_TOKEN not in repr(TWILIO.collector)
    assert TWILIO.collector.answer(stored) == (200, b"", "text/plain")


def test_a_form_of_other_bytes_than_utf_8_is_believed_if_signed() -> None:
    body = FORM + b"&Odd=%FF%FE"
    odd = urlencode({"Odd": "\ufffd\ufffd"}).encode()

    TWILIO.collector.verify(Delivery("twilio", body, twilio_headers(FORM + b"&" + odd), NOON))
