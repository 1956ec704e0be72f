"""How a school's systems write rooms and people for a provider (``class-{class_id}``), read backwards."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from collectors import registry

ANY_PROVIDER: str = "*"
ROOM, PERSON = "room", "person"

ROOM_FIELDS: tuple[str, ...] = ("class_id", "course_id", "anything")
PERSON_FIELDS: tuple[str, ...] = ("learner_id", "teacher_id")
READINGS_MAX: int = 16
"""A name that can be read in more ways than this is read in none: it would cost more than it tells."""

_LENGTH_MAX = 200
_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,31}|\*")
_FIELD = re.compile(r"\{([a-z_]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One way of writing names for one provider, or for every provider that has none of its own (``*``)."""

    what: str
    provider: str
    text: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.text}"

    def readings(self, name: str) -> Sequence[Mapping[str, str]]:
        """Give every way in which this name can have been written; no field is ever empty."""
        parts = _FIELD.split(self.text)
        if not name.startswith(parts[0]):
            return ()
        found = list(islice(_values(name[len(parts[0]) :], parts[2::2]), READINGS_MAX + 1))
        if len(found) > READINGS_MAX:
            return ()
        return [dict(zip(parts[1::2], values, strict=True)) for values in found]

    def written(self, values: Mapping[str, str]) -> str | None:
        """Write the name of these values; None where the template has a field that they do not fill."""
        parts = _FIELD.split(self.text)
        if not values.keys() >= set(parts[1::2]):
            return None
        return "".join(values[part] if place % 2 else part for place, part in enumerate(parts))


def _values(text: str, literals: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Cut a text into fields, each followed by its literal, in every way there is."""
    literal, later = literals[0], literals[1:]
    if not later:
        if len(text) > len(literal) and text.endswith(literal):
            yield (text[: len(text) - len(literal)],)
        return
    end = text.find(literal, 1)
    while end != -1:
        for values in _values(text[end + len(literal) :], later):
            yield (text[:end], *values)
        end = text.find(literal, end + 1)


def room_templates(given: str) -> tuple[Template, ...]:
    """Take ``provider:template`` pairs separated by commas, one for each provider. Raises ValueError, in words."""
    found = [_template(ROOM, part, ROOM_FIELDS) for part in _listed(given)]
    if any("{class_id}" not in template.text for template in found):
        raise ValueError("a template with {class_id} in it")
    if len({template.provider for template in found}) != len(found):
        raise ValueError("one template for each provider")
    return tuple(found)


def participant_templates(given: str) -> tuple[Template, ...]:
    """Take ``provider:template`` pairs separated by commas. Raises ValueError, in words."""
    found = [_template(PERSON, part, PERSON_FIELDS) for part in _listed(given)]
    if any(len(_FIELD.findall(template.text)) != 1 for template in found):
        raise ValueError("a template with either {learner_id} or {teacher_id} in it, once")
    if len(set(found)) != len(found):
        raise ValueError("every template once")
    return tuple(found)


def _listed(given: str) -> list[str]:
    return [part.strip() for part in given.split(",")] if given else []


def _template(what: str, given: str, fields: Sequence[str]) -> Template:
    head, colon, rest = given.partition(":")
    if "{" in head or not colon:
        head, rest = ANY_PROVIDER, given
    provider, text = head.strip(), rest.strip()
    known = registry.known()
    if not _PROVIDER.fullmatch(provider) or provider not in {ANY_PROVIDER, *known}:
        raise ValueError(f"provider:template with a provider among {', '.join(sorted(known))}, or * for all")
    _check(text, fields)
    return Template(what, provider, text)


def _check(text: str, fields: Iterable[str]) -> None:
    names = _FIELD.findall(text)
    listed = ", ".join(f"{{{name}}}" for name in fields)
    if len(text) > _LENGTH_MAX or "\0" in text:
        raise ValueError(f"a template of at most {_LENGTH_MAX} characters")
    if any(brace in _FIELD.sub("", text) for brace in "{}") or not set(names) <= set(fields):
        raise ValueError(f"a template with nothing in braces but {listed}")
    if len(set(names)) != len(names):
        raise ValueError("a template with every field once")
    if "" in _FIELD.split(text)[2:-1:2]:
        raise ValueError("a template with some text between two fields: without it nobody can tell where one ends")


class Templates:
    """All templates in force; those of a provider take the place of those for every provider."""

    def __init__(self, given: Iterable[Template]) -> None:
        self._given = tuple(sorted(given, key=lambda one: (one.what, one.provider, one.text)))

    def of(self, what: str, provider: str) -> Sequence[Template]:
        """Give the templates of this provider's rooms or people."""
        own = [one for one in self._given if (one.what, one.provider) == (what, provider)]
        return own or [one for one in self._given if (one.what, one.provider) == (what, ANY_PROVIDER)]

    def are_open(self, provider: str) -> bool:
        """Say whether the name of a class's room cannot be written for this provider, because it may hold anything."""
        return any("{anything}" in one.text for one in self.of(ROOM, provider))

    def are_written(self, provider: str) -> bool:
        """Say whether the name of every class's room can be written for this provider."""
        return any(one.written({"class_id": "", "course_id": ""}) is not None for one in self.of(ROOM, provider))

    def classes_in(self, provider: str, room: str) -> Sequence[tuple[str, str | None]]:
        """Read classes out of a room's name, each with its course where the name tells it."""
        return [
            (reading["class_id"], reading.get("course_id"))
            for one in self.of(ROOM, provider)
            for reading in one.readings(room)
        ]

    def rooms_of(self, provider: str, class_id: str, course_id: str) -> Iterator[str]:
        """Write the room of a class, as far as that can be known."""
        for template in self.of(ROOM, provider):
            name = template.written({"class_id": class_id, "course_id": course_id})
            if name is not None:
                yield name

    def names_of(self, provider: str, person_id: str) -> Iterator[str]:
        """Write every name this person may have."""
        for template in self.of(PERSON, provider):
            name = template.written({"learner_id": person_id, "teacher_id": person_id})
            if name is not None:
                yield name
