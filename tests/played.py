"""Reads a planned play through the real collectors, without a service: what the rules would get to see."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from collectors.agora.webhook import Agora
from collectors.beacon.webhook import Beacon
from collectors.contract import Collector, Delivery, Sighting
from collectors.livekit.webhook import LiveKit
from collectors.threads import named
from qos_monitor.simulation.plan import Plan
from qos_monitor.simulation.post import Keys, Post
from qos_monitor.simulation.school import Lesson, School
from rules.observation import Observation, Role, read_observation
from rules.span import HOUR

KEYS = Keys(agora="n" * 32, livekit=("APIplay", "l" * 40), beacon="b" * 40, observations="o" * 24)


def collectors() -> dict[str, Collector]:
    """Make the collectors that believe KEYS."""
    made: tuple[Collector, ...] = (Agora((KEYS.agora,)), LiveKit((KEYS.livekit,)), Beacon((KEYS.beacon,)))
    return {collector.provider: collector for collector in made}


def delivery(post: Post) -> Delivery:
    """Receive a webhook at the instant it is sent."""
    headers = {name.lower(): value for name, value in post.headers.items()}
    return Delivery(post.path.removeprefix("/webhooks/"), post.body, headers, post.sent_at)


def observations(plan: Plan) -> tuple[Observation, ...]:
    """Read every request of a play, repeats dropped, with rooms and participants put in our own names."""
    threads: dict[str, list[Sighting]] = defaultdict(list)
    sightings: list[Sighting] = []
    for sighting in _sightings(plan):
        (threads[sighting.thread] if sighting.thread else sightings).append(sighting)
    for thread in threads.values():
        sightings += named(thread)
    rooms = _by_room(plan.school)
    return tuple(_placed(sighting, rooms) for sighting in sightings)


def _sightings(plan: Plan) -> Iterator[Sighting]:
    known, seen = collectors(), set()
    for post in plan.posts:
        if post.path == "/v1/observations":
            yield from _lines(post)
            continue
        received = delivery(post)
        collector = known[received.provider]
        collector.verify(received)
        key = (received.provider, collector.key(received))
        if key not in seen:
            seen.add(key)
            for sighting in collector.read(received).sightings:
                yield replace(sighting, observation=replace(sighting.observation, recorded_at=post.sent_at))


def _lines(post: Post) -> Iterator[Sighting]:
    for line in post.body.splitlines():
        read = read_observation(json.loads(line), "", [])
        assert read is not None, line
        yield Sighting(replace(read, recorded_at=post.sent_at), placed=True)


def _by_room(school: School) -> Mapping[str, Sequence[Lesson]]:
    rooms: dict[str, list[Lesson]] = defaultdict(list)
    for lesson in school.lessons:
        rooms[lesson.room].append(lesson)
    return rooms


def _placed(sighting: Sighting, rooms: Mapping[str, Sequence[Lesson]]) -> Observation:
    seen = sighting.observation
    if sighting.placed:
        return seen
    lesson = next(
        lesson for lesson in rooms[seen.class_id or ""] if lesson.span.start - HOUR <= seen.at < lesson.span.end + HOUR
    )
    is_teacher = seen.participant_id == lesson.group.teacher_id
    return replace(seen, class_id=lesson.id, role=Role.TEACHER if is_teacher else Role.LEARNER)
