"""Observations in our own format, signed as Standard Webhooks has it."""

import base64
from dataclasses import replace

import pytest
from collector_specimens import NOON, NOON_S, Body, unhurried, written
from generic_specimen import GENERIC, GENERIC_SECRET, observed, signed
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import Delivery, Reading, Refused, Unreadable
from collectors.generic import Generic, build
from collectors.generic.webhook import SIGNATURES_MAX, TOLERANCE
from rules.observation import Kind, Role

OTHER_SECRET = f"whsec_{base64.b64encode(b'other' * 6).decode()}"
JOINED = written(observed("joined"))


def read(*bodies: Body | bytes) -> Reading:
    """Read these observations as the lines of one delivery."""
    lines = [body if isinstance(body, bytes) else written(body) for body in bodies]
    return GENERIC.collector.read(GENERIC.delivery(b"\n".join(lines)))


def refusal(*bodies: Body | bytes) -> str:
    """Tell why a delivery with these lines cannot be read."""
    with pytest.raises(Unreadable) as unreadable:
        read(*bodies)
    return str(unreadable.value)


def delivery(received_at: int = NOON, /, **headers: str) -> Delivery:
    """Deliver a join signed at NOON, with some headers replaced."""
    named = {f"webhook-{name}": value for name, value in headers.items()}
    return Delivery("generic", JOINED, signed(JOINED, NOON) | named, received_at)


def test_what_the_library_signs_is_believed() -> None:
    GENERIC.collector.verify(delivery())


@pytest.mark.parametrize("secret", [GENERIC_SECRET, OTHER_SECRET])
def test_any_live_secret_of_any_source_is_believed(secret: str) -> None:
    collector = build((f"sfu:{GENERIC_SECRET}", f"school:{OTHER_SECRET}"))

    collector.verify(Delivery("generic", JOINED, signed(JOINED, NOON, secret=secret), NOON))


def test_one_right_signature_among_many_is_enough() -> None:
    right = signed(JOINED, NOON)["webhook-signature"]
    other = signed(JOINED, NOON, secret=OTHER_SECRET)["webhook-signature"]

    GENERIC.collector.verify(delivery(signature=f"{other} v1a,abc nonsense {right}"))
    GENERIC.collector.verify(delivery(signature=" ".join([other] * (SIGNATURES_MAX - 1) + [right])))
    for wrong in (other, "v2," + right[3:], right[3:], "v1,", " ".join([other] * SIGNATURES_MAX + [right])):
        with pytest.raises(Refused, match="wrong_signature"):
            GENERIC.collector.verify(delivery(signature=wrong))


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
def test_without_one_of_the_three_headers_nobody_is_believed(name: str) -> None:
    for value in ("", "  "):
        with pytest.raises(Refused, match="missing_signature"):
            GENERIC.collector.verify(delivery(**{name: value}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "msg_2"}, "wrong_signature"),
        ({"timestamp": str(NOON_S + 1)}, "wrong_signature"),
        ({"timestamp": "soon"}, "malformed_token"),
        ({"timestamp": f"{NOON_S}.0"}, "malformed_token"),
        ({"timestamp": "-1"}, "malformed_token"),
        ({"timestamp": "9" * 19}, "malformed_token"),
    ],
)
def test_id_and_time_are_signed_too(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        GENERIC.collector.verify(delivery(**changes))


def test_the_sender_may_be_five_minutes_off_the_moment_of_receipt_and_no_more() -> None:
    for received_at in (NOON - TOLERANCE, NOON, NOON + TOLERANCE):
        GENERIC.collector.verify(delivery(received_at))
    with pytest.raises(Refused, match="expired"):
        GENERIC.collector.verify(delivery(NOON + TOLERANCE + 1))
    with pytest.raises(Refused, match="not_yet_valid"):
        GENERIC.collector.verify(delivery(NOON - TOLERANCE - 1))


@pytest.mark.parametrize(
    "secrets",
    [
        (),
        ("hush",),
        (f"sfu:{GENERIC_SECRET[6:]}",),
        ("sfu:whsec_hush!",),
        ("sfu:whsec_aHVzaA==",),
        (f":{GENERIC_SECRET}",),
        (f"My SFU:{GENERIC_SECRET}",),
    ],
)
def test_secrets_that_cannot_be_used_are_refused_without_being_shown(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="generic") as refused:
        build(secrets)

    assert not any(shown in str(refused.value) for shown in ("hush", "aHVzaA", GENERIC_SECRET[6:]))


def test_no_key_shows_in_the_collectors_name() -> None:
    assert repr(build((f"sfu:{GENERIC_SECRET}",))) == "Generic()"


def test_each_line_is_an_observation_of_our_own_ids_and_empty_lines_say_nothing() -> None:
    reading = read(b"", observed("attempted"), b"  ", observed("joined", role="teacher"), b"")

    assert [s.observation.kind for s in reading.sightings] == [Kind.ATTEMPTED, Kind.JOINED]
    assert all(s.placed and s.thread is None for s in reading.sightings)
    assert reading.sightings[1].observation.role is Role.TEACHER
    assert (reading.ignored, reading.unknown) == ((), ())


def test_feeds_and_incidents_come_in_too() -> None:
    alive: Body = {"source": "generic", "id": "f1", "kind": "feed_alive", "at": "2026-11-02T11:00:00Z"}
    declared: Body = {"source": "generic", "id": "i1", "kind": "incident_declared", "at": "2026-11-02T11:00:00Z"}

    reading = read(alive | {"until": "2026-11-02T12:00:00Z"}, declared | {"domains": {"provider": "sfu"}})

    assert [s.observation.kind for s in reading.sightings] == [Kind.FEED_ALIVE, Kind.INCIDENT_DECLARED]


def test_a_body_without_an_observation_is_unreadable() -> None:
    assert refusal(b"") == refusal(b" \n\r\n") == "the body holds no observation"


def test_an_array_is_no_line() -> None:
    assert refusal(b"[" + JOINED + b"]") == "not an observation: line 1"


def test_every_mistake_is_named_by_line_and_key_and_the_other_lines_are_not_taken() -> None:
    told = refusal(
        observed("joined"),
        observed("levitated"),
        b"",
        observed("left", session=None, colour="red"),
        b"{",
        observed("quality", until="2026-11-02T11:00:05.120Z", metrics={"loss": 2}),
    )

    assert told == ("not an observation: line 2.kind, line 4.colour, line 5, line 6.metrics.loss")


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"source": "agora"}, "source"),
        ({"recorded_at": "2026-11-02T11:00:05Z"}, "recorded_at"),
        ({"id": "x" * 301}, "id"),
        ({"class_id": "名" * 201}, "class_id"),
        ({"participant_id": "u\x001"}, "participant_id"),
        ({"session": "x" * 241}, "session"),
        ({"code": "x" * 101}, "code"),
        ({"domains": {"node": "x" * 201}}, "domains.node"),
        ({"at": "1999-12-31T23:59:59Z"}, "at"),
        ({"at": "2100-01-01T00:00:01Z"}, "at"),
    ],
)
def test_what_a_sender_may_not_say_or_no_database_holds_is_named(said: Body, key: str) -> None:
    assert refusal(observed("joined", **said)) == f"not an observation: line 1.{key}"


def test_the_longest_that_is_stored_is_taken() -> None:
    longest: Body = {"id": "x" * 300, "class_id": "名" * 200, "participant_id": "u" * 200, "session": "s" * 240}

    assert len(read(observed("joined", **longest, code="c" * 100)).sightings) == 1


def test_a_mistake_shows_no_value_and_no_key_that_could_hurt() -> None:
    told = refusal(observed("joined", participant_id=["Zhang San"], **{"\x00名\n" * 50: 1}))

    assert "Zhang" not in told
    assert told.isascii()
    assert told.isprintable()
    assert "line 1.participant_id" in told


def test_of_many_mistakes_ten_are_named() -> None:
    told = refusal(*[b"x"] * 25)

    assert told.endswith("line 10 and 15 more")
    assert len(told) < 280


def test_a_source_is_any_that_is_configured() -> None:
    collector = build((f"sfu:{GENERIC_SECRET}", f"school:{OTHER_SECRET}"))

    for source in ("sfu", "school"):
        body = written(observed("joined", source=source))
        (sighting,) = collector.read(Delivery("generic", body, {}, NOON)).sightings
        assert sighting.observation.source == source


def test_the_key_is_the_messages_id_whatever_the_time_of_sending() -> None:
    first = GENERIC.collector.key(delivery(id="msg_7"))
    again = GENERIC.collector.key(delivery(NOON + 60_000, id="msg_7", timestamp=str(NOON_S + 60), signature="v1,x"))

    assert (first.minute, first.event_id) == (NOON_S // 60, "msg_7")
    assert again == first
    assert GENERIC.collector.key(delivery(id="msg_8")) != first


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'{"at": 7}', b'{"at": "soon"}', b'{"at": "0001-01-01T00:00:00Z"}', b"{}"]
)
def test_a_body_without_an_instant_has_a_key_all_the_same(body: bytes) -> None:
    key = GENERIC.collector.key(replace(delivery(), body=body))

    assert (key.minute, key.event_id) == (0, "msg_1")


@unhurried
@given(body=st.text(), secret=st.binary(min_size=24, max_size=64), at=st.integers(0, 4_000_000_000))
def test_the_library_and_we_agree_on_every_signature(body: str, secret: bytes, at: int) -> None:
    key = f"whsec_{base64.b64encode(secret).decode()}"
    headers = signed(body.encode(), at * 1_000, secret=key)

    Generic((("sfu", secret),)).verify(Delivery("generic", body.encode(), headers, at * 1_000))


def test_the_answer_is_that_it_is_kept() -> None:
    assert GENERIC.collector.answer(delivery()) == (204, b"", "text/plain")
