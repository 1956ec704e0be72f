"""The whole play as requests in the order they are sent, with the disorder that real providers bring."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from qos_monitor.simulation import agora_sender, beacon_sender, livekit_sender
from qos_monitor.simulation.faults import Fate, Seat, fates
from qos_monitor.simulation.post import Keys, Post
from qos_monitor.simulation.school import Lesson, School, build
from qos_monitor.simulation.script import Event, What, events
from rules.span import MINUTE, Instant

TICK = 10 * MINUTE
"""Virtual time moves in such steps while there are classes."""
_DELAYED, _REPEATED = 0.02, 0.03
_DELAY_MAX_TICKS = 9
_OF_PROVIDERS = frozenset({What.JOIN, What.LEAVE})
_OF_CLIENTS = frozenset({What.ATTEMPT, What.FAILURE, What.QUALITY})


@dataclass(frozen=True, slots=True)
class Plan:
    """A school, what befalls everybody in it, and every request that follows."""

    school: School
    fates: Mapping[Seat, Fate]
    posts: tuple[Post, ...]

    def ticks(self) -> Iterator[tuple[Instant, Sequence[Post]]]:
        """Go through the requests by the instant they are sent."""
        for sent_at, posts in groupby(self.posts, key=lambda post: post.sent_at):
            yield sent_at, tuple(posts)


def make(seed: int, keys: Keys) -> Plan:
    """Plan the play; the same seed and keys give the same bytes."""
    school = build(seed)
    decided = fates(school, seed)
    chance = random.Random(seed + 3)  # noqa: S311 - a play, not a secret
    posts = [
        *_rooms(school.lessons, keys, chance),
        *_people(events(school, decided, seed), keys, chance),
    ]
    chance.shuffle(posts)  # within a tick nothing keeps its order
    posts.sort(key=lambda post: post.sent_at)
    return Plan(school, decided, tuple(posts))


def _people(happened: Iterable[Event], keys: Keys, chance: random.Random) -> Iterator[Post]:
    batches: dict[tuple[str, str, Instant], list[Event]] = defaultdict(list)
    for event in happened:
        if event.what in _OF_CLIENTS:
            batches[event.person, event.lesson.id, _tick(event.at)].append(event)
        if event.what is What.REFUSAL:
            yield beacon_sender.refusal(event, keys.observations, _tick(event.at))
        elif event.what in _OF_PROVIDERS or _is_seen_by_livekit(event):
            for sent_at in _sendings(event.at, chance):
                yield _webhook(event, keys, sent_at)
    for batch in batches.values():
        for sent_at in _sendings(batch[-1].at, chance):
            yield beacon_sender.batch(batch, keys.beacon, sent_at)


def _is_seen_by_livekit(event: Event) -> bool:
    """LiveKit reports who reached its signalling and no further; Agora says nothing of them."""
    return event.what is What.FAILURE and event.lesson.group.provider == "livekit"


def _webhook(event: Event, keys: Keys, sent_at: Instant) -> Post:
    if event.lesson.group.provider == "agora":
        return agora_sender.person(event, keys.agora, sent_at)
    return livekit_sender.person(event, keys.livekit, sent_at)


def _rooms(lessons: Iterable[Lesson], keys: Keys, chance: random.Random) -> Iterator[Post]:
    for lesson in lessons:
        for is_open, at in ((True, lesson.span.start), (False, lesson.span.end)):
            for sent_at in _sendings(at, chance):
                if lesson.group.provider == "agora":
                    yield agora_sender.channel(lesson, is_open=is_open, secret=keys.agora, sent_at=sent_at)
                else:
                    yield livekit_sender.room(lesson, is_open=is_open, key=keys.livekit, sent_at=sent_at)


def _tick(at: Instant) -> Instant:
    return -(-at // TICK) * TICK


def _sendings(at: Instant, chance: random.Random) -> list[Instant]:
    """Decide when an event is sent: mostly at once, sometimes late, sometimes twice."""
    lot, delay, again = chance.random(), chance.randint(1, _DELAY_MAX_TICKS), chance.randint(0, 3)
    if lot < _DELAYED:
        return [_tick(at) + delay * TICK]
    if lot < _DELAYED + _REPEATED:
        return [_tick(at), _tick(at) + again * TICK]
    return [_tick(at)]
