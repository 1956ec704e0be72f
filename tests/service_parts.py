"""Fakes and builders for the tests of the service: a clock one sets, a collector one words, a small school."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Table

from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import HOUR, MINUTE, Instant, format_instant, parse_instant
from rules.world import World, read_roster

MONDAY: Instant = parse_instant("2026-11-02T11:00:00Z")
"""Monday 19:00 in Shanghai: the class of the worked examples begins."""

TOKEN = "a-token-of-sixteen-characters"


@dataclass
class SetClock:
    """Tells the time it was set to."""

    at: Instant = MONDAY

    def now(self) -> Instant:
        """Tell it."""
        return self.at


@dataclass
class SpokenCollector:
    """A provider whose deliveries say in JSON what they are to be read as; header ``x-signed: yes`` is believed."""

    provider: str = "agora"
    kept_headers: frozenset[str] = frozenset({"x-signed"})
    status: int = 200
    known: dict[bytes, Reading] = field(default_factory=dict)

    def verify(self, delivery: Delivery) -> None:
        """Believe the header."""
        if delivery.headers.get("x-signed") != "yes":
            raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Take ``id`` and ``at`` from the body, or the body itself."""
        try:
            said = json.loads(delivery.body)
            return DeliveryKey(int(said.get("at", 0)) // MINUTE, str(said["id"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return DeliveryKey(0, delivery.body.hex()[:200] or "empty")

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - named as in Collector
        """Answer with a body that only this provider wants."""
        return self.status, b'{"provider":"content"}', "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Do as the body says: fail, be unreadable, or see something."""
        try:
            said = json.loads(delivery.body)
        except ValueError:
            raise Unreadable("the body is not JSON") from None
        if "bug" in said:
            raise KeyError(said["bug"])
        return Reading((sighting(**said),), unknown=("new_event",) if said.get("code") == "new" else ())


def sighting(
    id: str,  # noqa: A002 - the field's name
    kind: str = "joined",
    at: Instant = MONDAY,
    room: str | None = "r1",
    who: str | None = "u1",
    *,
    session: str | None = "s1",
    thread: str | None = None,
    order: int = 0,
    source: str = "agora",
    code: str | None = None,
    until: Instant | None = None,
    metrics: Mapping[str, float] | None = None,
    recorded_at: Instant | None = None,
    placed: bool = False,
    fault: str = "unknown",
) -> Sighting:
    """Build what a collector gives; ``thread`` takes the place of the session."""
    seen = Observation(
        source=source,
        id=id,
        kind=Kind(kind),
        at=at,
        until=until,
        class_id=room,
        participant_id=who,
        role=None if who is None else Role.LEARNER,
        session=thread or session,
        vantage=None if who is None else Vantage.SERVER,
        fault=Fault(fault),
        code=code,
        metrics=metrics or {},
        recorded_at=recorded_at,
    )
    return Sighting(seen, placed=placed, thread=thread, order=order)


def said(id: str, **more: object) -> bytes:  # noqa: A002 - the field's name
    """Word a delivery for SpokenCollector."""
    return json.dumps({"id": id, **more}).encode()


def school(
    *starts: Instant, room: str | None = "r1", learners: tuple[str, ...] = ("u1", "u2"), **changes: object
) -> World:
    """Build a roster of one course whose classes of an hour begin at these instants (Monday's, if none)."""
    classes = [
        {
            "id": f"c{number}",
            "course_id": "math",
            "starts_at": format_instant(start),
            "ends_at": format_instant(start + HOUR),
            "provider": "agora",
            "room_id": room,
            "teacher_id": "t1",
            "learner_ids": list(learners),
            **changes,
        }
        for number, start in enumerate(starts or (MONDAY,), start=1)
    ]
    enrolments = [enrolment(f"e-{learner}", learner) for learner in learners]
    courses = [{"id": "math", "title": "Math", "visual_essential": False}]
    return read_roster({"courses": courses, "enrolments": enrolments, "classes": classes})


def enrolment(name: str, learner: str, **changes: object) -> dict[str, object]:
    """Build an enrolment as JSON."""
    return {
        "id": name,
        "learner_id": learner,
        "course_id": "math",
        "starts_at": "2026-09-01T00:00:00Z",
        "price_minor": 480000,
        "paid_minor": 480000,
        "currency": "CNY",
        "lessons_paid": 48,
        "lessons_gift": 0,
        "lessons_used_before": 20.5,
        "price_refunded_minor": 0,
        "contract_refund_minor": None,
        **changes,
    }


def row(table: Table, **given: object) -> dict[str, object]:
    """Fill what a row must have and the test does not care about: empty texts, zeros, no."""
    nothing: dict[type, object] = {str: "", int: 0, bool: False, bytes: b""}
    must = [c for c in table.columns if not c.nullable and c.default is None and c.autoincrement is not True]
    return {column.name: nothing[column.type.python_type] for column in must} | given
