"""LiveKit's webhooks, signed by its own libraries where that matters."""

import base64
import hashlib
import time
from dataclasses import replace

import jwt
import pytest
from collector_specimens import LIVEKIT, LIVEKIT_KEY, LIVEKIT_SECRET, NOON, NOON_S, livekit_event
from google.protobuf.json_format import MessageToJson
from jwt.warnings import InsecureKeyLengthWarning
from livekit.api import AccessToken, TokenVerifier, WebhookReceiver
from livekit.protocol.models import DisconnectReason, ParticipantInfo, Room
from livekit.protocol.webhook import WebhookEvent

from collectors.contract import Delivery, Reading, Refused, Unreadable
from collectors.livekit import LiveKit
from collectors.livekit.webhook import DISCONNECT_REASONS
from rules.observation import Fault, Kind, Observation, Vantage

# livekit-server-sdk for Node, WebhookReceiver.test.ts (commit 7c0768f4): body, key pair and digest are published there.
NODE_BODY = (
    b'{"event":"room_started", "room":{"sid":"RM_TkVjUvAqgzKz", "name":"mytestroom", "emptyTimeout":300, '
    b'"creationTime":"1628545903", "turnPassword":"ICkSr2rEeslkN6e9bXL4Ji5zzMD5Z7zzr6ulOaxMj6N", '
    b'"enabledCodecs":[{"mime":"audio/opus"}, {"mime":"video/VP8"}]}}'
)
NODE_DIGEST = "CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42DbefYI="
CLAIMS: dict[str, object] = {"iss": LIVEKIT_KEY, "nbf": NOON_S, "exp": NOON_S + 300}


def read(body: dict[str, object]) -> Reading:
    """Read an event as it comes from LiveKit."""
    return LIVEKIT.collector.read(LIVEKIT.delivery(body))


def seen(body: dict[str, object]) -> list[Observation]:
    """Take the observations of an event."""
    return [sighting.observation for sighting in read(body).sightings]


def digest(body: bytes) -> str:
    """Hash a body as LiveKit does."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def tokened(claims: dict[str, object], secret: str = LIVEKIT_SECRET, algorithm: str = "HS256") -> Delivery:
    """Deliver a body under a token with exactly these claims, right digest included unless they hold one."""
    body = b'{"event": "room_started"}'
    token = jwt.encode({"sha256": digest(body)} | claims, secret, algorithm=algorithm)
    return Delivery("livekit", body, {"authorization": token}, NOON + 1_000)


def test_the_node_sdks_body_has_the_node_sdks_digest_and_is_believed() -> None:
    with pytest.warns(InsecureKeyLengthWarning):  # theirs, in signing; a collector is silent about it
        token = AccessToken("abcdefg", "abababa").with_sha256(NODE_DIGEST).to_jwt()

    LiveKit((("abcdefg", "abababa"),)).verify(
        Delivery("livekit", NODE_BODY, {"authorization": token}, time.time_ns() // 1_000_000)
    )

    assert digest(NODE_BODY) == NODE_DIGEST


def test_what_livekits_own_receiver_accepts_is_believed_and_read() -> None:
    event = WebhookEvent(
        event="participant_left",
        id="EV_1",
        created_at=NOON_S,
        room=Room(sid="RM_1", name="r1"),
        participant=ParticipantInfo(
            sid="PA_1", identity="u1", region="bj", disconnect_reason=DisconnectReason.SERVER_SHUTDOWN
        ),
    )
    body = MessageToJson(event)
    token = AccessToken("key", LIVEKIT_SECRET).with_sha256(digest(body.encode())).to_jwt()
    WebhookReceiver(TokenVerifier("key", LIVEKIT_SECRET)).receive(body, token)
    now = time.time_ns() // 1_000_000
    collector = LiveKit((("key", LIVEKIT_SECRET),))
    delivery = Delivery("livekit", body.encode(), {"authorization": token}, now)

    collector.verify(delivery)
    (sighting,) = collector.read(delivery).sightings

    assert sighting.observation == Observation(
        source="livekit",
        id="EV_1:left",
        kind=Kind.LEFT,
        at=NOON,
        class_id="r1",
        participant_id="u1",
        role=sighting.observation.role,
        session="PA_1",
        vantage=Vantage.SERVER,
        fault=Fault.PLATFORM,
        blames="provider",
        code="SERVER_SHUTDOWN",
        domains={"provider": "livekit", "region": "bj"},
    )


def test_a_token_of_the_server_sdk_for_a_room_is_no_webhook() -> None:
    token = AccessToken(LIVEKIT_KEY, LIVEKIT_SECRET).with_identity("u1").to_jwt()
    delivery = Delivery("livekit", b"{}", {"authorization": token}, time.time_ns() // 1_000_000)

    with pytest.raises(Refused, match="wrong_body"):
        LIVEKIT.collector.verify(delivery)


def test_the_secret_is_chosen_by_the_issuer_and_a_key_may_have_two() -> None:
    collector = LiveKit((("k1", "one" * 20), ("k2", "two" * 20), ("k2", "new" * 20)))

    for key, secret in collector.keys:
        collector.verify(tokened(CLAIMS | {"iss": key}, secret))
    with pytest.raises(Refused, match="wrong_signature"):
        collector.verify(tokened(CLAIMS | {"iss": "k1"}, "two" * 20))
    with pytest.raises(Refused, match="unknown_key"):
        collector.verify(tokened(CLAIMS | {"iss": "k3"}, "one" * 20))


@pytest.mark.parametrize("claims", [{"exp": NOON_S - 58}, {"nbf": NOON_S + 61}, {"exp": NOON_S - 57.5}])
def test_a_token_is_good_for_a_minute_beyond_its_times(claims: dict[str, object]) -> None:
    LIVEKIT.collector.verify(tokened(CLAIMS | claims))  # received one second after NOON


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOON_S - 59}, "expired"),
        ({"nbf": NOON_S + 62}, "not_yet_valid"),
        ({"exp": "soon"}, "malformed_token"),
        ({"exp": None}, "malformed_token"),
        ({"nbf": [NOON_S]}, "malformed_token"),
        ({"exp": 10**30}, "malformed_token"),
        ({"exp": float("nan")}, "malformed_token"),
        ({"sha256": ""}, "wrong_body"),
        ({"sha256": 7}, "wrong_body"),
        ({"sha256": None}, "wrong_body"),
        ({"sha256": digest(b"another")}, "wrong_body"),
        ({"sha256": digest(b'{"event": "room_started"}').rstrip("=")}, "wrong_body"),
        ({"iss": "another"}, "unknown_key"),
    ],
)
def test_a_token_that_says_anything_else_is_refused(claims: dict[str, object], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        LIVEKIT.collector.verify(tokened(CLAIMS | claims))

    assert refused.value.reason == reason


def test_a_token_without_a_time_of_expiry_or_a_digest_is_refused() -> None:
    with pytest.raises(Refused, match="malformed_token"):
        LIVEKIT.collector.verify(tokened({"iss": LIVEKIT_KEY}))
    token = jwt.encode(CLAIMS, LIVEKIT_SECRET, algorithm="HS256")
    with pytest.raises(Refused, match="wrong_body"):
        LIVEKIT.collector.verify(replace(tokened(CLAIMS), headers={"authorization": token}))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_the_right_secret(algorithm: str) -> None:
    with pytest.raises(Refused, match="malformed_token"):
        LIVEKIT.collector.verify(tokened(CLAIMS, LIVEKIT_SECRET * 2, algorithm))


def test_an_unsigned_token_is_refused() -> None:
    token = jwt.encode(CLAIMS, "", algorithm="none")

    with pytest.raises(Refused, match="malformed_token"):
        LIVEKIT.collector.verify(replace(tokened(CLAIMS), headers={"authorization": token}))


def test_a_token_after_bearer_is_not_livekits() -> None:
    delivery = tokened(CLAIMS)

    with pytest.raises(Refused, match="malformed_token"):
        LIVEKIT.collector.verify(
            replace(delivery, headers={"authorization": f"Bearer {delivery.headers['authorization']}"})
        )


@pytest.mark.parametrize("payload", [b"[" * 5_000, b"\xff", b"[]", b'{"iss": "\\ud800"}', b"9" * 5_000])
def test_a_token_that_is_odd_inside_is_refused(payload: bytes) -> None:
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"HS256"}', payload, b"x")]

    with pytest.raises(Refused) as refused:
        LIVEKIT.collector.verify(replace(tokened(CLAIMS), headers={"authorization": ".".join(parts)}))
    assert refused.value.reason in ("malformed_token", "unknown_key")


def test_a_join_opens_the_session_of_the_participants_sid() -> None:
    (joined,) = seen(livekit_event("participant_joined"))

    assert (joined.kind, joined.session, joined.at) == (Kind.JOINED, "PA_one", NOON)
    assert (joined.class_id, joined.participant_id, joined.vantage) == ("r1", "u1", Vantage.SERVER)
    assert joined.domains == {"provider": "livekit", "region": "ap-south-1"}


@pytest.mark.parametrize("created", [NOON_S, str(NOON_S)])
def test_seconds_may_be_written_as_text_or_as_a_number(created: object) -> None:
    assert seen(livekit_event("participant_joined", createdAt=created))[0].at == NOON


def test_a_self_hosted_server_has_no_region() -> None:
    assert seen(livekit_event("participant_joined", {"region": ""}))[0].domains == {"provider": "livekit"}


FAULTS = {
    "CLIENT_INITIATED": Fault.LEARNER,
    "DUPLICATE_IDENTITY": Fault.LEARNER,
    "SERVER_SHUTDOWN": Fault.PLATFORM,
    "STATE_MISMATCH": Fault.PLATFORM,
    "MIGRATION": Fault.PLATFORM,
}


@pytest.mark.parametrize(("value", "name"), DisconnectReason.items())
def test_every_reason_livekit_knows_is_read_by_name_and_by_number(value: str, name: int) -> None:
    for written in (value, name):
        (left,) = seen(livekit_event("participant_left", {"disconnectReason": written}))

        assert (left.code, left.fault) == (value, FAULTS.get(value, Fault.UNKNOWN))
        assert left.blames == ("provider" if left.fault is Fault.PLATFORM else None)


def test_the_table_of_reasons_is_livekits() -> None:
    assert {name: number for number, name, _ in DISCONNECT_REASONS} == dict(DisconnectReason.items())


@pytest.mark.parametrize("participant", [{}, {"disconnectReason": None}, {"disconnectReason": ""}])
def test_an_absent_reason_is_the_one_numbered_0(participant: dict[str, object]) -> None:
    reading = read(livekit_event("participant_left", participant))

    assert reading.sightings[0].observation.code == "UNKNOWN_REASON"
    assert reading.unknown == ()


@pytest.mark.parametrize(("given", "code"), [("NEW_ONE", "NEW_ONE"), (17, "17"), ([], "UNKNOWN_REASON")])
def test_a_new_reason_keeps_its_name_and_is_counted(given: object, code: str) -> None:
    reading = read(livekit_event("participant_left", {"disconnectReason": given}))
    left = reading.sightings[0].observation

    assert (left.kind, left.code, left.fault) == (Kind.LEFT, code, Fault.UNKNOWN)
    assert len(reading.unknown) == 1


def test_an_aborted_connection_is_an_attempt_and_its_failure_and_needs_no_join() -> None:
    attempt, failure = seen(livekit_event("participant_connection_aborted", {"disconnectReason": "JOIN_FAILURE"}))

    assert (attempt.kind, attempt.at) == (Kind.ATTEMPTED, NOON - 29_655)
    assert (failure.kind, failure.at, failure.code) == (Kind.JOIN_FAILED, NOON, "JOIN_FAILURE")
    assert failure.fault is Fault.UNKNOWN
    assert attempt.id != failure.id
    assert (attempt.session, failure.session) == (None, None)


@pytest.mark.parametrize(
    ("participant", "at"),
    [
        ({"joinedAtMs": None}, NOON - 30_000),
        ({"joinedAtMs": "0"}, NOON - 30_000),
        ({"joinedAtMs": None, "joinedAt": None}, NOON),
        ({"joinedAtMs": str(NOON + 7_000)}, NOON),
    ],
)
def test_an_attempt_is_when_signalling_began_and_never_after_its_failure(
    participant: dict[str, object], at: int
) -> None:
    assert seen(livekit_event("participant_connection_aborted", participant))[0].at == at


@pytest.mark.parametrize("reason", ["SERVER_SHUTDOWN", "CLIENT_INITIATED"])
def test_a_failed_join_has_the_fault_of_its_reason(reason: str) -> None:
    failure = seen(livekit_event("participant_connection_aborted", {"disconnectReason": reason}))[1]

    assert failure.fault is FAULTS[reason]


@pytest.mark.parametrize(("name", "number"), ParticipantInfo.Kind.items())
def test_only_standard_participants_are_people(name: str, number: int) -> None:
    for kind in (name, number):
        reading = read(livekit_event("participant_joined", {"kind": kind}))

        assert len(reading.sightings) == (1 if name == "STANDARD" else 0)
        assert reading.unknown == ()


@pytest.mark.parametrize("kind", ["HOLOGRAM", 99, [], True])
def test_a_new_kind_of_participant_is_left_out_and_counted(kind: object) -> None:
    reading = read(livekit_event("participant_joined", {"kind": kind}))

    assert reading.sightings == ()
    assert len(reading.unknown) == 1


NO_USE = """
room_started room_finished track_published track_unpublished egress_started egress_updated egress_ended
ingress_started ingress_ended agent_job_started agent_job_ended
"""


@pytest.mark.parametrize("event", NO_USE.split())
def test_events_of_no_use_are_ignored_by_name(event: str) -> None:
    assert read({"event": event}) == Reading(ignored=(event,))


@pytest.mark.parametrize(
    "body",
    [
        livekit_event("participant_joined", {"sid": ""}),
        livekit_event("participant_joined", {"identity": None}),
        livekit_event("participant_joined", room={}),
        livekit_event("participant_joined", createdAt="yesterday"),
        livekit_event("participant_joined", participant=None) | {"participant": None},
        {"event": 7},
    ],
)
def test_an_event_without_what_a_sighting_needs_is_unreadable(body: dict[str, object]) -> None:
    with pytest.raises(Unreadable):
        read(body)


def test_without_an_id_of_its_own_an_event_is_named_by_what_it_says() -> None:
    body = livekit_event("participant_joined", id="")

    assert seen(body)[0].id == f"PA_one:participant_joined:{NOON}:joined"
    assert LIVEKIT.collector.key(LIVEKIT.delivery(body)).event_id.startswith("sha256:")


def test_the_key_is_the_events_id_at_its_own_minute() -> None:
    key = LIVEKIT.collector.key(LIVEKIT.delivery(livekit_event("participant_joined")))

    assert (key.minute, key.event_id) == (NOON_S // 60, "EV_participant_joined")
