"""The school that is played: who learns what, when, over which provider, node and network."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules.span import DAY, HOUR, MINUTE, Instant, Span, format_instant, parse_instant

MIDNIGHT: Instant = parse_instant("2026-11-02T00:00:00+08:00")
"""The Monday the play begins; the school keeps Shanghai's time."""
DAYS = 10
LEARNERS_IN_GROUP = 12
BELLS = (16 * HOUR + 30 * MINUTE, 18 * HOUR, 19 * HOUR + 30 * MINUTE)
LESSON = HOUR
PATTERNS: Mapping[str, frozenset[int]] = {
    "daily": frozenset(range(DAYS)),
    "even": frozenset(range(0, DAYS, 2)),
    "odd": frozenset(range(1, DAYS, 2)),
    "pairs": frozenset({2, 3, 6, 7}),
}
"""On which days of the play a group meets; day 0 is the Monday."""
NODES: Mapping[str, Sequence[tuple[str, str]]] = {
    "agora": (("bj-3", "cn-north"), ("bj-7", "cn-north"), ("gz-2", "cn-south"), ("sh-5", "cn-east")),
    "livekit": (("lk-hk-1", "hk"), ("lk-sg-1", "sg"), ("lk-tyo-1", "tyo")),
}
"""Each provider's media nodes, with their regions."""
NETWORKS = (
    "telecom-guangdong",
    "unicom-guangdong",
    "mobile-guangdong",
    "telecom-beijing",
    "unicom-zhejiang",
    "mobile-sichuan",
)
CLIENTS = ("web", "ios", "android")
_HOST, _GUESTS = 20, slice(3, 6)
"""Three learners of the first group (all on node bj-7) take a second course, over LiveKit, in this one."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is taught, and the contract most of its learners have. Prices in minor units of CNY."""

    id: str
    title: str
    visual_essential: bool
    price_minor: int
    lessons_paid: int
    lessons_gift: int


COURSES = (
    Course("math", "Mathematics", visual_essential=False, price_minor=480_000, lessons_paid=48, lessons_gift=0),
    Course("english", "English", visual_essential=False, price_minor=199_900, lessons_paid=30, lessons_gift=0),
    Course("drawing", "Drawing", visual_essential=True, price_minor=960_000, lessons_paid=80, lessons_gift=16),
    Course("physics", "Physics", visual_essential=False, price_minor=450_000, lessons_paid=50, lessons_gift=0),
)


@dataclass(frozen=True, slots=True)
class Learner:
    """Somebody who learns, and how they reach us."""

    id: str
    network: str
    client: str
    nodes: Mapping[str, int]
    sends_quality: bool

    def domains(self, provider: str) -> dict[str, str]:
        """Name the domains this learner's client reports in a class of that provider."""
        node, region = NODES[provider][self.nodes[provider]]
        return {
            "provider": provider,
            "node": node,
            "region": region,
            "network": self.network,
            "client": self.client,
        }


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One learner's contract for one course."""

    id: str
    learner_id: str
    course: Course
    lessons_used_before: int


@dataclass(frozen=True, slots=True)
class Group:
    """Learners who are always taught together."""

    id: str
    course: Course
    provider: str
    pattern: str
    bell: int
    teacher_id: str
    learner_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One class of a group."""

    id: str
    group: Group
    day: int
    span: Span

    @property
    def room(self) -> str:
        """Name the provider's room: one Agora channel a group, a new LiveKit room each time."""
        return f"ch-{self.group.id}" if self.group.provider == "agora" else f"room-{self.id}"


@dataclass(frozen=True, slots=True)
class School:
    """Everybody and every class; the same seed gives the same school."""

    learners: Mapping[str, Learner]
    groups: tuple[Group, ...]
    enrolments: tuple[Enrolment, ...]
    lessons: tuple[Lesson, ...]

    def seats(self) -> Iterator[tuple[Learner, Lesson]]:
        """Go through every learner of every class, in the order of time."""
        for lesson in self.lessons:
            for learner_id in lesson.group.learner_ids:
                yield self.learners[learner_id], lesson

    def lessons_of(self, enrolment: Enrolment) -> list[Lesson]:
        """List the classes of one enrolment in the order of time."""
        return [
            lesson
            for lesson in self.lessons
            if lesson.group.course is enrolment.course and enrolment.learner_id in lesson.group.learner_ids
        ]

    def roster(self) -> dict[str, object]:
        """Write the school as the roster API takes it."""
        return {
            "courses": [{"id": c.id, "title": c.title, "visual_essential": c.visual_essential} for c in COURSES],
            "enrolments": [_enrolment_row(enrolment) for enrolment in self.enrolments],
            "classes": [_class_row(lesson) for lesson in self.lessons],
        }


def day(number: int, time_of_day: int = 0) -> Instant:
    """Give the instant on a day of the play at so many milliseconds after the school's midnight."""
    return MIDNIGHT + number * DAY + time_of_day


def build(seed: int) -> School:
    """Make the school of this seed: 24 groups of 12 over two providers, three bells and four patterns."""
    chance = random.Random(seed)  # noqa: S311 - a play, not a secret
    learners: dict[str, Learner] = {}
    groups: list[Group] = []
    for number, (provider, bell, pattern) in enumerate(_combinations()):
        members = [_learner(number, place, chance) for place in range(LEARNERS_IN_GROUP)]
        learners |= {learner.id: learner for learner in members}
        guests = groups[0].learner_ids[_GUESTS] if number == _HOST else ()
        groups.append(
            Group(
                id=f"g{number + 1:02d}",
                course=COURSES[(number + number // len(PATTERNS)) % len(COURSES)],
                provider=provider,
                pattern=pattern,
                bell=bell,
                teacher_id=f"teacher-{number + 1:02d}",
                learner_ids=(*(learner.id for learner in members), *guests),
            )
        )
    lessons = sorted(_lessons(groups), key=lambda lesson: (lesson.span.start, lesson.id))
    enrolments = [
        Enrolment(f"{learner_id}-{group.course.id}", learner_id, group.course, chance.randrange(16))
        for group in groups
        for learner_id in group.learner_ids
    ]
    return School(learners, tuple(groups), tuple(enrolments), tuple(lessons))


def _combinations() -> list[tuple[str, int, str]]:
    return [(provider, bell, pattern) for provider in NODES for bell in BELLS for pattern in PATTERNS]


def _learner(group: int, place: int, chance: random.Random) -> Learner:
    """Spread nodes, networks and clients so that no two of them go together."""
    return Learner(
        id=f"learner-{group * LEARNERS_IN_GROUP + place + 1:03d}",
        network=NETWORKS[(place + group) % len(NETWORKS)],
        client=CLIENTS[(place + place // 3 + group) % len(CLIENTS)],
        nodes={"agora": place // 3 % 4, "livekit": (place // 4 + group) % 3},
        sends_quality=chance.random() < 0.3,
    )


def _lessons(groups: Sequence[Group]) -> Iterator[Lesson]:
    for group in groups:
        for number in sorted(PATTERNS[group.pattern]):
            start = day(number, group.bell)
            yield Lesson(f"{group.id}-d{number:02d}", group, number, Span(start, start + LESSON))


def _enrolment_row(enrolment: Enrolment) -> dict[str, object]:
    course = enrolment.course
    return {
        "id": enrolment.id,
        "learner_id": enrolment.learner_id,
        "course_id": course.id,
        "starts_at": format_instant(day(-60)),
        "price_minor": course.price_minor,
        "paid_minor": course.price_minor,
        "currency": "CNY",
        "lessons_paid": course.lessons_paid,
        "lessons_gift": course.lessons_gift,
        "lessons_used_before": enrolment.lessons_used_before,
        "price_refunded_minor": 0,
        "contract_refund_minor": None,
    }


def _class_row(lesson: Lesson) -> dict[str, object]:
    group = lesson.group
    return {
        "id": lesson.id,
        "course_id": group.course.id,
        "starts_at": format_instant(lesson.span.start),
        "ends_at": format_instant(lesson.span.end),
        "provider": group.provider,
        "room_id": lesson.room,
        "teacher_id": group.teacher_id,
        "learner_ids": list(group.learner_ids),
        "cancelled": None,
    }
