"""A small school out of one seed: its roster, its troubles, and every delivery that its providers send of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from rules_school import cancelled, enrolment, lesson, school, seen

from collectors.contract import Delivery, DeliveryKey, Notice, Reading, Refused, Sighting
from rules.observation import Observation, Role, read_observation
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant
from rules.world import Cancellation, ScheduledClass, World

FIRST: Instant = parse_instant("2026-11-02T10:00:00Z")
PROVIDERS = ("agora", "livekit")
_TROUBLES = ("platform", "platform", "platform", "node", "own", "client", "dropped", "absent", "none")
_FEED_STEP = 12 * HOUR


class Words:
    """A provider whose deliveries hold observations in the interchange format, or a notice; header ``x-signed: yes``.

    Agora's come as threads, for it names no sessions.
    """

    kept_headers: frozenset[str] = frozenset()

    def __init__(self, provider: str) -> None:
        self.provider = provider

    def verify(self, delivery: Delivery) -> None:
        """Believe the header."""
        if delivery.headers.get("x-signed") != "yes":
            raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Take it from the body."""
        said = json.loads(delivery.body)
        return DeliveryKey(said["minute"], said["id"])

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - named as in Collector
        """Be content."""
        return 200, b"{}", "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Read what the school put in."""
        said = json.loads(delivery.body)
        notices = tuple(Notice(**one) for one in said.get("notices", ()))
        return Reading(tuple(self._sighting(value) for value in said.get("seen", ())), notices=notices)

    def _sighting(self, value: Mapping[str, object]) -> Sighting:
        one = read_observation(value, "", [])
        if one is None:
            raise ValueError(value)
        if one.class_id is None:
            return Sighting(one, placed=True)
        one = replace(one, role=Role.LEARNER)
        if self.provider == "agora" and one.session is not None:
            thread = f"{one.class_id}/{one.participant_id}"
            return Sighting(replace(one, session=thread), thread=thread, order=one.at)
        return Sighting(one)


@dataclass(frozen=True)
class Parcel:
    """One delivery: by whom, its name, what is in it, and when it is first sent."""

    provider: str
    id: str
    body: bytes
    sent_at: Instant


@dataclass
class SeededSchool:
    """Everything one seed says of a school; ``delay_max`` is how late its deliveries may come."""

    chance: Random
    delay_max: int
    roster: World = field(default_factory=lambda: World((), (), (), ()))
    parcels: list[Parcel] = field(default_factory=list)
    cancellations: dict[str, Cancellation] = field(default_factory=dict)
    ends_at: Instant = FIRST
    _seen: dict[str, list[tuple[Observation, Instant]]] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The roster as it is once every notice came."""
        off = self.cancellations
        classes = tuple(replace(row, cancelled=off.get(row.id)) for row in self.roster.classes)
        return replace(self.roster, classes=classes)

    def happen(self) -> None:
        """Make the roster and everything that happens."""
        chance = self.chance
        people = [f"u{number}" for number in range(1, chance.randint(1, 4) + 1)]
        days = chance.randint(3, 5)
        classes = self._classes(people, days)
        bought = [
            enrolment(f"e-{who}", who, price=chance.choice([120_000, 480_000]), used=chance.randint(0, 30))
            for who in people
        ]
        self.roster = school(classes, enrolments=bought)
        self.ends_at = max(row.ends_at for row in classes)
        for who in people:
            self._live(who, [row for row in classes if who in row.learner_ids])
        self._teach(classes)
        self._run_feeds(days)
        self._pack()

    def _classes(self, people: list[str], days: int) -> list[ScheduledClass]:
        chance = self.chance
        rows: list[ScheduledClass] = []
        for day in range(days):
            if day and chance.random() < 0.2:
                continue
            for _ in range(chance.choice([1, 1, 2])):
                begins = FIRST + day * DAY + chance.choice([0, HOUR, 2 * HOUR]) + chance.choice([0, 30]) * MINUTE
                who = sorted(chance.sample(people, chance.randint(1, len(people))))
                name = f"c{len(rows) + 1}"
                row = lesson(name, begins, *who, minutes=chance.choice([40, 60]), provider=chance.choice(PROVIDERS))
                rows.append(replace(row, room_id=f"room-{name}"))
        return rows

    # --- what happens ---------------------------------------------------------------------------------------

    def _live(self, who: str, mine: list[ScheduledClass]) -> None:
        chance = self.chance
        trouble = chance.choice(_TROUBLES)
        first = chance.choice([0, 0, 1])
        last = chance.choice([len(mine), len(mine) - 1, first + 3, first + 1])
        for number, row in enumerate(mine):
            fate = trouble if first <= number < last else "none"
            if chance.random() < 0.1:
                fate = chance.choice(_TROUBLES)
            self._attend(who, row, fate)
        if chance.random() < 0.2:
            kind = chance.choice(["check_passed", "check_failed"])
            at = FIRST + chance.randint(0, 4 * 24) * HOUR
            self._note("agora", seen(kind, at, None, who, fault="platform" if kind == "check_failed" else "unknown"))

    def _attend(self, who: str, row: ScheduledClass, fate: str) -> None:
        chance, at = self.chance, row.starts_at + self.chance.randint(-5, 4) * MINUTE
        node = {"provider": row.provider, "node": chance.choice(["n1", "n2"])}
        if fate == "absent":
            return
        if fate in ("platform", "node", "own", "client"):
            fault = {"platform": "platform", "own": "learner"}.get(fate, "unknown")
            vantage = "client" if fate == "client" else "server"
            for again in range(chance.randint(1, 3)):
                when = at + again * 2 * MINUTE
                refusal = seen("join_failed", when, row, who, fault=fault, domains=node, vantage=vantage)
                self._note(row.provider, refusal)
            return
        session = f"{row.id}-{who}-1"
        self._note(row.provider, seen("joined", at, row, who, session=session, domains=node))
        ends, fault = row.ends_at + chance.randint(0, 3) * MINUTE, "learner"
        if fate == "dropped":
            ends, fault = row.starts_at + chance.randint(5, 25) * MINUTE, chance.choice(["platform", "unknown"])
        self._note(row.provider, seen("left", ends, row, who, session=session, fault=fault, domains=node))
        if fate == "dropped" and chance.random() < 0.5:
            back = ends + chance.randint(1, 12) * MINUTE
            second = f"{row.id}-{who}-2"
            self._note(row.provider, seen("joined", back, row, who, session=second, domains=node))
            self._note(row.provider, seen("left", row.ends_at, row, who, session=second, fault="learner", domains=node))
        if chance.random() < 0.3:
            frozen = {"video_frozen": chance.choice([0.0, 0.9]), "audio_frozen": chance.choice([0.0, 0.6])}
            span = seen(
                "quality", row.starts_at + 10 * MINUTE, row, who, until=row.ends_at - 5 * MINUTE, metrics=frozen
            )
            self._note(row.provider, span)

    def _teach(self, classes: list[ScheduledClass]) -> None:
        chance = self.chance
        for row in classes:
            if chance.random() < 0.08:
                off = cancelled(row.starts_at - HOUR, chance.choice(["learner", "platform", "mutual"]))
                self.cancellations[row.id] = replace(off, is_technical=chance.random() < 0.5)
            elif chance.random() < 0.9:
                session = f"{row.id}-teacher"
                came = seen("joined", row.starts_at - 2 * MINUTE, row, row.teacher_id, session=session, role="teacher")
                went = seen("left", row.ends_at, row, row.teacher_id, session=session, role="teacher", fault="learner")
                self._note(row.provider, came)
                self._note(row.provider, went)

    def _run_feeds(self, days: int) -> None:
        """Let each provider say that it delivers, with a hole in some worlds."""
        for provider in PROVIDERS:
            hole = self.chance.randint(0, days * 2) if self.chance.random() < 0.3 else -1
            for step in range(days * 2 + 1):
                if step != hole:
                    at = FIRST - HOUR + step * _FEED_STEP
                    alive = seen("feed_alive", at, None, None, until=at + _FEED_STEP, source=provider)
                    self._note(provider, alive)

    def _note(self, provider: str, one: Observation) -> None:
        mine = replace(one, source=provider, recorded_at=None)
        at = one.at if one.until is None else one.until
        told = self._seen.setdefault(provider, [])
        told.append((mine, at))
        if self.chance.random() < 0.05:  # told again in another delivery
            told.append((mine, at + self.chance.randint(0, 120) * MINUTE))

    # --- what is sent of it ---------------------------------------------------------------------------------

    def _pack(self) -> None:
        chance = self.chance
        rooms = {row.id: row.room_id for row in self.roster.classes}
        for provider, told in sorted(self._seen.items()):
            left = sorted(told, key=lambda pair: (pair[1], pair[0].id))
            while left:
                size = chance.choice([1, 1, 2, 5])
                some, left = left[:size], left[size:]
                room = [replace(one, class_id=one.class_id and rooms[one.class_id]).as_json() for one, _ in some]
                self._send(provider, {"seen": room}, max(at for _, at in some))
        for class_id, off in sorted(self.cancellations.items()):
            notice = {"id": f"n-{class_id}", "class_id": class_id, "at": off.at, "by": off.by}
            self._send("agora", {"notices": [notice | {"is_technical": off.is_technical}]}, off.at)

    def _send(self, provider: str, content: Mapping[str, object], at: Instant) -> None:
        chance = self.chance
        late = chance.randint(0, self.delay_max) if chance.random() < 0.25 else chance.randint(1, 60) * SECOND
        name = f"{provider}-{len(self.parcels)}"
        body = json.dumps({"id": name, "minute": at // MINUTE, **content}, sort_keys=True).encode()
        self.parcels.append(Parcel(provider, name, body, at + late))
