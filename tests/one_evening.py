"""One evening of the simulated school with every class at one bell, its requests sent the moment they are due."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qos_monitor.simulation import agora_sender, beacon_sender, livekit_sender
from qos_monitor.simulation.faults import fates
from qos_monitor.simulation.post import Post
from qos_monitor.simulation.school import BELLS, LESSON, PATTERNS, Lesson, School, build, day
from qos_monitor.simulation.script import Event, What, events
from qos_monitor.simulation.stage import KEYS
from rules.span import Instant, Span

SEED = 1
DAY = 2
"""The Wednesday, in the midst of the outage of Agora's node bj-7."""
_FORGED_AT_ONCE = 12
STARTS_AT: Instant = day(DAY, BELLS[0])


def school() -> School:
    """Make the school of the play with all classes of the day at the first bell."""
    whole = build(SEED)
    groups = tuple(replace(group, bell=BELLS[0]) for group in whole.groups)
    span = Span(STARTS_AT, STARTS_AT + LESSON)
    lessons = tuple(
        Lesson(f"{group.id}-d{DAY:02d}", group, DAY, span) for group in groups if DAY in PATTERNS[group.pattern]
    )
    return replace(whole, groups=groups, lessons=lessons)


def posts(whole: School) -> Sequence[Post]:
    """Word everything that happens, in the order of time."""
    made = [post for lesson in whole.lessons for post in _room(lesson)]
    for event in events(whole, fates(whole, SEED), SEED):
        made += _told(event)
    return sorted(made, key=lambda post: post.sent_at)


def forged(now: Instant) -> Sequence[Post]:
    """Word what somebody sends who knows no secret: to Agora's door signed wrongly or not at all, to LiveKit's too."""
    lessons = [lesson for lesson in build(SEED).lessons if lesson.group.provider == "agora"][:_FORGED_AT_ONCE]
    wrong = [agora_sender.channel(lesson, is_open=True, secret="guessed", sent_at=now) for lesson in lessons]
    bare = [replace(post, headers={"Content-Type": "application/json"}) for post in wrong]
    key = (KEYS.livekit[0], "guessed-and-32-characters-long-so")
    return [*wrong, *bare, *(livekit_sender.room(lesson, is_open=True, key=key, sent_at=now) for lesson in lessons)]


def _room(lesson: Lesson) -> Iterator[Post]:
    at = lesson.span.start
    if lesson.group.provider == "agora":
        yield agora_sender.channel(lesson, is_open=True, secret=KEYS.agora, sent_at=at)
    else:
        yield livekit_sender.room(lesson, is_open=True, key=KEYS.livekit, sent_at=at)


def _told(event: Event) -> Iterator[Post]:
    """Tell of one event: the learner's client, the provider, or both."""
    if event.what in (What.ATTEMPT, What.FAILURE, What.QUALITY):
        yield beacon_sender.batch([event], KEYS.beacon, event.at)
    if event.what in (What.JOIN, What.LEAVE):
        if event.lesson.group.provider == "agora":
            yield agora_sender.person(event, KEYS.agora, event.at)
        else:
            yield livekit_sender.person(event, KEYS.livekit, event.at)
