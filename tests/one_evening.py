"""One evening of the simulated school with every class at one bell, its requests sent the moment they are due."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

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


Letter = Callable[[Instant], Post]
"""Words a request as it is sent at an instant: a sender tells its own time, by which a client's clock is set right."""


def letters(whole: School) -> Sequence[tuple[Instant, Letter]]:
    """Give everything that is told, with when it happens, in the order of time."""
    made: list[tuple[Instant, Letter]] = [(lesson.span.start, partial(_room, lesson)) for lesson in whole.lessons]
    for event in events(whole, fates(whole, SEED), SEED):
        made += [(event.at, letter) for letter in _told(event)]
    return sorted(made, key=lambda one: one[0])


def forged(now: Instant) -> Sequence[Post]:
    """Word what somebody sends who knows no secret: to Agora's door signed wrongly or not at all, to LiveKit's too."""
    lessons = [lesson for lesson in build(SEED).lessons if lesson.group.provider == "agora"][:_FORGED_AT_ONCE]
    wrong = [agora_sender.channel(lesson, is_open=True, secret="guessed", sent_at=now) for lesson in lessons]
    bare = [replace(post, headers={"Content-Type": "application/json"}) for post in wrong]
    key = (KEYS.livekit[0], "guessed-and-32-characters-long-so")
    return [*wrong, *bare, *(livekit_sender.room(lesson, is_open=True, key=key, sent_at=now) for lesson in lessons)]


def _room(lesson: Lesson, sent_at: Instant) -> Post:
    if lesson.group.provider == "agora":
        return agora_sender.channel(lesson, is_open=True, secret=KEYS.agora, sent_at=sent_at)
    return livekit_sender.room(lesson, is_open=True, key=KEYS.livekit, sent_at=sent_at)


def _told(event: Event) -> Iterator[Letter]:
    """Let the learner's client tell of an event, or the provider."""
    if event.what in (What.ATTEMPT, What.FAILURE, What.QUALITY):
        yield partial(beacon_sender.batch, [event], KEYS.beacon)
    elif event.what in (What.JOIN, What.LEAVE):
        yield partial(_webhook, event)


def _webhook(event: Event, sent_at: Instant) -> Post:
    if event.lesson.group.provider == "agora":
        return agora_sender.person(event, KEYS.agora, sent_at)
    return livekit_sender.person(event, KEYS.livekit, sent_at)
