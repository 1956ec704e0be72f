"""Reads single events: handles, peer connections, the video room, the server itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from collectors.body import OBSERVATION_ID_MAX, Object, capped, inner, short_text, text, whole
from collectors.contract import Sighting
from collectors.janus.head import Head, Person, code_of, read_head
from collectors.janus.statistics import spans
from collectors.threads import GONE
from rules.observation import Fault, Kind, Observation, Role, Vantage

JOIN_FAILED, LEFT = frozenset({Kind.JOIN_FAILED}), frozenset({Kind.LEFT})

HANGUPS: Mapping[str, tuple[frozenset[Kind], Fault]] = MappingProxyType(
    {
        # Before or after the connection was up, the event does not tell: both, and the rules see which (README).
        "ICE failed": (JOIN_FAILED | LEFT, Fault.UNKNOWN),
        # Only while it is being set up (dtls.c, ice.c of 1.1.2).
        "DTLS timeout": (JOIN_FAILED, Fault.UNKNOWN),
        "DTLS error": (JOIN_FAILED, Fault.UNKNOWN),
        "DTLS-SRTP stack error": (JOIN_FAILED, Fault.UNKNOWN),
        "Gathering error": (JOIN_FAILED, Fault.UNKNOWN),
        "ICE gathering error": (JOIN_FAILED, Fault.UNKNOWN),
        # The client closed its end, its session or its handle, or asked to be hung up.
        "DTLS alert": (LEFT, Fault.LEARNER),
        "Detach": (LEFT, Fault.LEARNER),
        "Close PC": (LEFT, Fault.LEARNER),
        "Janus API": (LEFT, Fault.LEARNER),
        # An operator.
        "Admin API": (LEFT, Fault.UNKNOWN),
    }
)
"""What a peer connection ended with, and whose act that word alone tells of; any other reason is new."""

MEDIA_PLUGINS: frozenset[str] = frozenset(
    f"janus.plugin.{name}" for name in ("videoroom", "audiobridge", "streaming", "videocall", "sip", "nosip")
)
"""A handle of these is attached to send or receive; one of another plugin is no attempt to enter."""

ROOM_EVENTS: frozenset[str] = frozenset(
    {
        "joined",
        "configured",
        "published",
        "unpublished",
        "subscribing",
        "subscribed",
        "unsubscribed",
        "updated",
        "switched",
        "talking",
        "stopped-talking",
        "created",
        "edited",
        "destroyed",
        "rtp_forward",
        "stop_rtp_forward",
        "recording",
        "moderated",
        "paused",
        "started",
    }
)
"""What the video room tells beside ``leaving`` and ``kicked``; of use only where there is no opaque id."""

_LEAVES: Mapping[str, Fault] = MappingProxyType({"leaving": Fault.LEARNER, "kicked": Fault.UNKNOWN})

OTHER_TYPES: Mapping[int, str] = MappingProxyType(
    {1: "session", 4: "external", 8: "jsep", 128: "transport"},
)
_HANDLE, _WEBRTC, _MEDIA, _PLUGIN, _CORE = 2, 16, 32, 64, 256
_STATES = ("ice", "local-candidate", "remote-candidate", "selected-pair", "dtls")


@dataclass(slots=True)
class Notes:
    """What in one delivery said nothing to us, in Janus's words."""

    ignored: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unreadable: int = 0


def sessions_timed_out(events: Iterable[Object]) -> frozenset[int]:
    """Find the sessions whose client fell silent: what ends with them in the same delivery nobody chose."""
    found = (
        whole(event.get("session_id"), 1, 2**64 - 1)
        for event in events
        if event.get("type") == 1 and inner(event.get("event")).get("name") == "timeout"
    )
    return frozenset(session for session in found if session is not None)


def read_event(event: Object, timed_out: frozenset[int], notes: Notes) -> list[Sighting]:
    """Read one event; what it does not say is named in ``notes``."""
    head = read_head(event)
    if head is None:
        notes.unreadable += 1
        notes.unknown.append("unreadable event")
        return []
    body = event["event"]
    if head.type in OTHER_TYPES:
        notes.ignored.append(OTHER_TYPES[head.type])
        return []
    if head.type == _MEDIA:
        return spans(head, body, notes.ignored, notes.unknown)
    said = inner(body)
    if head.type == _HANDLE:
        return _of_handle(head, said, timed_out, notes)
    if head.type == _WEBRTC:
        return _of_connection(head, said, timed_out, notes)
    if head.type == _PLUGIN:
        return _of_plugin(head, said, notes)
    if head.type == _CORE:
        return _of_server(head, said, notes)
    notes.unknown.append(f"type {head.type}")
    return []


def _whose(head: Head, notes: Notes) -> Person | None:
    """Find whose handle it is, if that handle is where the person receives."""
    if head.person is None:
        notes.ignored.append("no opaque_id")
        return None
    if head.person.only_sends:
        notes.ignored.append("sending handle")
        return None
    return head.person


def _of_handle(head: Head, said: Object, timed_out: frozenset[int], notes: Notes) -> list[Sighting]:
    name, plugin = text(said.get("name")), text(said.get("plugin"))
    if name not in ("attached", "detached"):
        notes.unknown.append(f"handle {code_of(name) or 'event'}")
        return []
    person = _whose(head, notes)
    if person is None:
        return []
    if plugin not in MEDIA_PLUGINS:
        notes.ignored.append("handle without media")
        return []
    if name == "attached":
        return [_seen(head, person, Kind.ATTEMPTED)]
    fault = Fault.UNKNOWN if head.session in timed_out else Fault.LEARNER
    return [_seen(head, person, Kind.LEFT, fault, GONE)]


def _of_connection(head: Head, said: Object, timed_out: frozenset[int], notes: Notes) -> list[Sighting]:
    state = said.get("connection")
    if state is None and any(key in said for key in _STATES):
        notes.ignored.append("webrtc state")
        return []
    if state not in ("webrtcup", "hangup"):
        notes.unknown.append(f"webrtc {code_of(state) or 'event'}")
        return []
    person = _whose(head, notes)
    if person is None:
        return []
    if state == "webrtcup":
        return [_seen(head, person, Kind.JOINED)]
    code = code_of(said.get("reason"))
    if code not in HANGUPS:
        notes.unknown.append("hangup without reason" if code is None else f"hangup {code}")
    kinds, fault = HANGUPS.get(code or "", (LEFT, Fault.UNKNOWN))
    if head.session in timed_out and fault is Fault.LEARNER:
        fault = Fault.UNKNOWN
    return [_seen(head, person, kind, fault, code) for kind in sorted(kinds)]


def _seen(head: Head, person: Person, kind: Kind, fault: Fault = Fault.UNKNOWN, code: str | None = None) -> Sighting:
    in_thread = kind in (Kind.JOINED, Kind.LEFT)
    seen = Observation(
        source="janus",
        id=capped(f"{head.name}:{kind}", OBSERVATION_ID_MAX),
        kind=kind,
        at=head.at,
        class_id=person.room,
        participant_id=person.participant,
        role=Role.LEARNER,
        session=head.thread if in_thread else None,
        vantage=Vantage.SERVER,
        fault=fault,
        code=code,
        domains=head.domains,
    )
    return Sighting(seen, thread=head.thread, order=head.micros) if in_thread else Sighting(seen)


def _of_plugin(head: Head, said: Object, notes: Notes) -> list[Sighting]:
    plugin, data = code_of(said.get("plugin")) or "?", inner(said.get("data"))
    if plugin != "janus.plugin.videoroom":
        (notes.ignored if plugin.startswith("janus.plugin.") else notes.unknown).append(f"plugin {plugin}"[:120])
        return []
    name = code_of(data.get("event")) or "?"
    if name not in ROOM_EVENTS and name not in _LEAVES:
        notes.unknown.append(f"videoroom {name}")
        return []
    feed = _room_id(data.get("id"))
    room = _room_id(data.get("room"))
    # A handle with an opaque id tells of itself, and better. Leaving comes without any handle.
    is_join = name == "published" and head.person is None
    if feed is None or room is None or not (is_join or (name in _LEAVES and head.handle is None)):
        notes.ignored.append(f"videoroom {name}")
        return []
    kind, fault, code = (Kind.JOINED, Fault.UNKNOWN, None) if is_join else (Kind.LEFT, _LEAVES[name], name)
    return [_of_feed(head, (room, feed), kind, fault, code)]


def _room_id(value: object) -> str | None:
    """Take a room's or feed's id: a number, or a text where the room has ``string_ids``."""
    number = whole(value, 0, 2**64 - 1)
    return short_text(value, 80 + 65) if number is None else str(number)


def _of_feed(head: Head, where: tuple[str, str], kind: Kind, fault: Fault, code: str | None) -> Sighting:
    room, feed = where
    thread = capped(f"{head.emitter or ''}:room {room}:{feed}", 200)
    seen = Observation(
        source="janus",
        id=capped(f"{thread}:{head.micros}:{kind}", OBSERVATION_ID_MAX),
        kind=kind,
        at=head.at,
        class_id=room,
        participant_id=feed,
        role=Role.LEARNER,
        session=thread,
        vantage=Vantage.SERVER,
        fault=fault,
        code=code,
        domains=head.domains,
    )
    return Sighting(seen, thread=thread, order=head.micros)


def _of_server(head: Head, said: Object, notes: Notes) -> list[Sighting]:
    status = text(said.get("status"))
    if status not in ("started", "shutdown"):
        notes.unknown.append(f"core {code_of(status) or 'event'}")
        return []
    is_end = status == "shutdown"
    seen = Observation(
        source="janus",
        id=capped(f"{head.name}:{status}", OBSERVATION_ID_MAX),
        kind=Kind.INCIDENT_DECLARED if is_end else Kind.INCIDENT_CLEARED,
        at=head.at,
        vantage=Vantage.SERVER,
        fault=Fault.PLATFORM if is_end else Fault.UNKNOWN,
        blames=("node" if head.emitter else "provider") if is_end else None,
        code=status,
        domains=head.domains,
    )
    return [Sighting(seen)]
