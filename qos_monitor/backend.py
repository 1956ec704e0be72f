"""What the school's own backend tells of its own acts: tokens, clicks, removals, classes called off (decision 0020)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from collectors import removals
from collectors.body import EARLIEST_S, ID_MAX, LATEST_S
from collectors.contract import Delivery, DeliveryKey, Notice, Reading, Sighting, Unreadable
from qos_monitor import documents
from qos_monitor.storage.rows import is_plain
from rules.document import Fields, Invalid, Problem
from rules.observation import DIMENSIONS, Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, SECOND, Instant

PROVIDER = "evidence"
TOKEN_ISSUED, JOIN_CLICKED, KICKED = "token_issued", "join_clicked", "kicked"
CANCELLED, REINSTATED = "class_cancelled", "class_reinstated"
KINDS: tuple[str, ...] = (TOKEN_ISSUED, JOIN_CLICKED, KICKED, CANCELLED, REINSTATED)
AHEAD_MAX: int = 5 * MINUTE
"""How far the backend's clock may be ahead of ours."""

_CANCELLERS = ("learner", "platform", "mutual")
_PROBLEMS_MAX = 100


@dataclass(frozen=True, slots=True)
class Told:
    """One request, read."""

    observations: tuple[Observation, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def class_ids(self) -> set[str]:
        """Every class it is about."""
        seen = {one.class_id for one in self.observations if one.class_id is not None}
        return seen | {one.class_id for one in self.notices}

    def __len__(self) -> int:
        return len(self.observations) + len(self.notices)


class Evidence:
    """The collector for it. Who may send is settled before, by a bearer token."""

    provider = PROVIDER
    kept_headers: frozenset[str] = frozenset()

    def verify(self, delivery: Delivery) -> None:
        """Believe it: `POST /v1/evidence` is the only way in, and asks for the token."""

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name a request by its bytes; what it tells is known by its own ids."""
        return key(delivery.body)

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - named as in Collector
        """Say that it is kept."""
        return 202, b"{}", "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Read every event. Raises Unreadable where one is wrong; the door lets none such in."""
        try:
            told = read(delivery.body)
        except Invalid as invalid:
            raise Unreadable(f"{len(invalid.problems)} problems") from None
        return Reading(tuple(Sighting(seen, placed=True) for seen in told.observations), notices=told.notices)


def key(body: bytes) -> DeliveryKey:
    """Name a request by its bytes."""
    return DeliveryKey(0, hashlib.sha256(body).hexdigest())


def read(body: bytes, latest: Instant = LATEST_S * SECOND) -> Told:
    """Read one event, or a list of them; nothing may have happened after ``latest``.

    Raises Invalid with the path of every mistake (``[2].at`` in a list), NotJson where the body is none.
    """
    value = documents.decoded(body)
    items = [(f"[{place}]", item) for place, item in enumerate(value)] if isinstance(value, list) else [("", value)]
    problems: list[Problem] = []
    told = [one for path, item in items for one in _read(item, path, latest, problems)]
    if problems:
        raise Invalid(problems[:_PROBLEMS_MAX])
    seen = tuple(one for one in told if isinstance(one, Observation))
    return Told(seen, tuple(one for one in told if isinstance(one, Notice)))


def _read(value: object, path: str, latest: Instant, problems: list[Problem]) -> Iterator[Observation | Notice]:
    before = len(problems)
    fields = Fields(value, path, problems)
    kind = fields.choice("kind", str, KINDS)
    told_before = len(problems)
    at = fields.instant("at")
    if len(problems) == told_before and not EARLIEST_S * SECOND <= at <= latest:
        fields.note("at", "must not lie in the future, nor before the year 2000")
    name, class_id = _name(fields, "id"), _name(fields, "class_id")
    if kind in {CANCELLED, REINSTATED}:
        told: Observation | Notice = _notice(fields, kind, (name, class_id), at)
    else:
        told = _seen(fields, kind, (name, class_id), at)
    fields.close()
    if len(problems) == before:
        yield told


def _notice(fields: Fields, kind: str, names: tuple[str, str], at: Instant) -> Notice:
    if kind == REINSTATED:
        return Notice(*names, at, None)
    return Notice(*names, at, fields.choice("by", str, _CANCELLERS), fields.flag("technical"))


def _seen(fields: Fields, kind: str, names: tuple[str, str], at: Instant) -> Observation:
    who, role = _who(fields)
    fault, blames, code = Fault.UNKNOWN, None, None
    domains: dict[str, str] = {}
    if kind == KICKED:
        reason = fields.choice("reason", str, sorted(removals.REASONS))
        fault, blames = removals.blame(reason, role)
        code = f"{removals.CODE}{reason}"
    else:
        domains = _domains(fields.inner("domains"))
    name = f"{kind}:{names[0]}"
    return Observation(
        source=removals.SOURCE,
        id=name,
        kind=Kind.LEFT if kind == KICKED else Kind.ATTEMPTED,
        at=at,
        class_id=names[1],
        participant_id=who,
        role=role,
        session=name if kind == KICKED else None,
        vantage=Vantage.CLIENT if kind == JOIN_CLICKED else Vantage.SERVER,
        fault=fault,
        blames=blames,
        code=code,
        domains=domains,
    )


def _who(fields: Fields) -> tuple[str, Role]:
    """Take the one person it is about: ``learner_id`` or ``teacher_id``."""
    learner, teacher = fields.take("learner_id"), fields.take("teacher_id")
    if learner is not None and teacher is not None:
        fields.note("teacher_id", "must be null where learner_id is given: an event is about one person")
    if learner is None and teacher is not None:
        return _name(fields, "teacher_id"), Role.TEACHER
    return _name(fields, "learner_id"), Role.LEARNER


def _domains(fields: Fields) -> dict[str, str]:
    domains = {name: _name(fields, name) for name in fields.names() if name in DIMENSIONS}
    fields.close()
    return domains


def _name(fields: Fields, name: str) -> str:
    given = fields.text(name)
    if not is_plain(given, ID_MAX):
        fields.note(name, f"must be at most {ID_MAX} characters long, without NUL or half characters")
        return "?"
    return given
