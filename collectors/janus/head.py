"""What every event of Janus begins with: who sent it, when, and of which session, handle and person it is."""

from dataclasses import dataclass

from collectors.body import CODE_MAX, EARLIEST_S, ID_MAX, LATEST_S, Object, capped, short_text, whole
from collectors.contract import ANYWHERE
from rules.span import Instant

_UNSIGNED_64 = 2**64 - 1
_EMITTER_MAX = 60


def micros(event: Object) -> int | None:
    """Take the ``timestamp``, in microseconds since 1970; None outside the years 2000 to 2100."""
    return whole(event.get("timestamp"), EARLIEST_S * 1_000_000, LATEST_S * 1_000_000)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an ``opaque_id`` names: a room or ANYWHERE, a participant, and whether the handle only sends."""

    room: str
    participant: str
    only_sends: bool


@dataclass(frozen=True, slots=True)
class Head:
    """The header of one event; ``micros`` is its order among all of its emitter."""

    emitter: str | None
    type: int
    subtype: int
    micros: int
    session: int | None
    handle: int | None
    person: Person | None

    @property
    def at(self) -> Instant:
        """When it happened, cut to the millisecond."""
        return self.micros // 1_000

    @property
    def thread(self) -> str:
        """The handle over all emitters; their numbers alone may repeat."""
        return f"{self.emitter or ''}:{self.session or 0}:{self.handle or 0}"

    @property
    def name(self) -> str:
        """What no other event is: Janus gives its events no id."""
        return f"{self.thread}:{self.micros}:{self.type}.{self.subtype}"

    @property
    def domains(self) -> dict[str, str]:
        """The provider, and the server by the name it gives itself."""
        return {"provider": "janus"} | ({"node": self.emitter} if self.emitter else {})


def read_head(event: Object) -> Head | None:
    """Read the header; None where type, time or body is missing or nonsense."""
    kind, at = whole(event.get("type"), 0, 2**31), micros(event)
    if kind is None or at is None or not isinstance(event.get("event"), dict | list):
        return None
    return Head(
        emitter=short_text(event.get("emitter"), _EMITTER_MAX + 65),
        type=kind,
        subtype=whole(event.get("subtype"), 0, 2**31) or 0,
        micros=at,
        session=whole(event.get("session_id"), 1, _UNSIGNED_64),
        handle=whole(event.get("handle_id"), 1, _UNSIGNED_64),
        person=_person(event.get("opaque_id")),
    )


def _person(opaque_id: object) -> Person | None:
    """Read ``learner``, ``room/learner`` or ``room/learner/send``; None where it is something else."""
    given = short_text(opaque_id, 10_000)
    parts = [] if given is None else given.split("/")
    only_sends = len(parts) == 3 and parts[2] == "send"
    names = parts[:2] if only_sends else parts
    if not 1 <= len(names) <= 2 or not names[-1]:
        return None
    room = names[0] if len(names) == 2 and names[0] else ANYWHERE
    return Person(capped(room, ID_MAX), capped(names[-1], ID_MAX), only_sends)


def code_of(value: object) -> str | None:
    """Take a word of Janus as a code."""
    return short_text(value, CODE_MAX)
