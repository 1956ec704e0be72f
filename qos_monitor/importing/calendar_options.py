"""What a calendar does not say of a lesson, and where a person says it instead."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from qos_monitor.importing.groups import Groups
from rules.document import Invalid, Problem
from rules.span import Instant

NAMES: tuple[str, ...] = ("uid", "start", "day", "instance", "summary", "location", "category")
"""What a template may hold in braces."""
_HOLE = re.compile(r"\{(\w*)\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CalendarOptions:
    """The window, and what fills a class where its event has no property for it. Texts are templates."""

    begins_at: Instant
    ends_at: Instant
    zone: tzinfo | None = None
    """The zone of floating times; None: they are refused."""
    class_id: str = "{uid}{instance}"
    course: str | None = None
    provider: str | None = None
    room: str | None = None
    teacher: str | None = None
    group: str | None = None
    category: str | None = None
    """Only events of this category are lessons; None: all are."""
    is_local_part: bool = False
    """Whether a person's id is what stands before the @ of their address, instead of the whole of it."""
    groups: Groups = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise Invalid where a template asks for what there is not."""
        options = {
            "--class-id": self.class_id,
            "--course": self.course,
            "--provider": self.provider,
            "--room": self.room,
            "--teacher": self.teacher,
            "--group": self.group,
        }
        if problems := [*_wrong_holes(options)]:
            raise Invalid(problems)


def _wrong_holes(options: Mapping[str, str | None]) -> Iterable[Problem]:
    for option, template in options.items():
        for name in _HOLE.findall(template or ""):
            if name not in NAMES:
                yield Problem(option, f"knows no {{{name}}}; it may hold {', '.join(f'{{{n}}}' for n in NAMES)}")


def rendered(template: str | None, values: Mapping[str, str]) -> str | None:
    """Fill a template; None stays None, and an empty result is None."""
    if template is None:
        return None
    return _HOLE.sub(lambda match: values[match[1]], template).strip() or None
