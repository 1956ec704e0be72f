"""Who is in which course group, and when: what a timetable without people is combined with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from rules.span import Instant


@dataclass(frozen=True, slots=True)
class Member:
    """One person's place in a group; both dates belong to it, None is open."""

    person_id: str
    is_teacher: bool
    is_primary: bool = False
    first_day: date | None = None
    last_day: date | None = None

    def is_there(self, day: date) -> bool:
        """Say whether the person belongs to the group on this day."""
        return (self.first_day is None or self.first_day <= day) and (self.last_day is None or day <= self.last_day)


@dataclass(frozen=True, slots=True)
class Group:
    """Those who are taught together, and the course they are taught."""

    id: str
    course_id: str
    title: str
    members: tuple[Member, ...] = ()

    def teacher_on(self, day: date) -> str | None:
        """Name the teacher of a day: the primary one, else the one whose id sorts first."""
        teachers = [member for member in self.members if member.is_teacher and member.is_there(day)]
        ranked = sorted(teachers, key=lambda member: (not member.is_primary, member.person_id))
        return ranked[0].person_id if ranked else None

    def learners_on(self, day: date) -> list[str]:
        """Name the learners of a day, sorted."""
        return sorted({m.person_id for m in self.members if not m.is_teacher and m.is_there(day)})


Groups = Mapping[str, Group]


def day_of(at: Instant, zone: tzinfo | None) -> date:
    """Give the day of an instant in a zone; None is UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone or UTC).date()


def counted(groups: Groups) -> dict[str, object]:
    """Write how many are in each group, for the command line."""
    return {
        group.id: {
            "course_id": group.course_id,
            "title": group.title,
            "teachers": sum(member.is_teacher for member in group.members),
            "learners": sum(not member.is_teacher for member in group.members),
        }
        for group in groups.values()
    }
