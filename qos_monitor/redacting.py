"""Takes a person's names out of the raw bytes of a delivery that tells of others too."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote_plus, unquote_plus

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

ALIAS: str = "forgotten"
"""Stands in the place of a name."""

ALIAS_NUMBER: int = 0
"""Stands in the place of a name that is a number there, such as a uid."""

REDACTED: str = "Redacted"
"""The problem of a delivery that was read and is no longer as it came: it is not read again."""

_OF_PERSON = re.compile(r"(^|[_a-z])(uid|id|user|name|identity|account|participant|learner|member)", re.IGNORECASE)

_ESCAPES = (b"\\", b"%", b"+")
"""Where one of these stands a name may be spelt in more ways than it is worth looking for."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Looks for the names of one person; a name is found where it is a whole value or a whole word of a longer text."""

    names: frozenset[str]

    def finds(self, body: bytes, headers: Mapping[str, str] | None = None) -> bool:
        """Say whether a delivery names the person, as far as its bytes can be read."""
        shown = [body, *(_unpacked(value) for value in (headers or {}).values())]
        return any(self._is_in(part) for part in shown)

    def redacted(self, body: bytes) -> bytes | None:
        """Give the body without the names; None where they cannot be taken out of it without breaking it."""
        cleaned = b"\n".join(self._line(line) for line in _documents(body))
        return None if self._is_in(cleaned) else cleaned

    def _is_in(self, body: bytes) -> bool:
        is_escaped = any(mark in body for mark in _ESCAPES)
        if not is_escaped and not any(spelt in body for name in self.names for spelt in _spellings(name)):
            return False
        found: list[bool] = []

        def note(_value: Json) -> Json:
            found.append(True)
            return None

        for line in _documents(body):
            read = _read(line)
            if read is None:
                text = line.decode("utf-8", "replace")
                found += [True] * any(self._words().search(said) for said in (text, unquote_plus(text)))
            else:
                self._walk(read, "", note)
        return bool(found)

    def _line(self, line: bytes) -> bytes:
        read = _read(line)
        if read is None:
            form = "&".join(map(self._pair, line.decode("utf-8", "surrogateescape").split("&")))
            return self._words().sub(ALIAS, form).encode("utf-8", "surrogateescape")

        def replaced(value: Json) -> Json:
            return ALIAS_NUMBER if isinstance(value, int) else self._words().sub(ALIAS, str(value))

        return json.dumps(self._walk(read, "", replaced), separators=(",", ":"), ensure_ascii=False).encode()

    def _pair(self, given: str) -> str:
        """Take the names out of one pair of a form, which may be spelt in per cents."""
        key, sign, value = given.partition("=")
        said = unquote_plus(value, errors="surrogateescape")
        cleaned = self._words().sub(ALIAS, said)
        return given if cleaned == said else f"{key}{sign}{quote_plus(cleaned, errors='surrogateescape')}"

    def _walk(self, value: Any, key: str, instead: Callable[[Json], Json]) -> Json:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {
                str(self._walk(name, "", instead)): self._walk(inner, name, instead) for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._walk(inner, key, instead) for inner in value]
        if isinstance(value, str):
            return instead(value) if self._words().search(value) else value
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and str(value) in self.names and _OF_PERSON.search(key):
            return instead(value)
        given: Json = value
        return given

    def _words(self) -> re.Pattern[str]:
        longest_first = sorted(self.names, key=lambda name: (-len(name), name))
        spelt = "|".join(re.escape(name) for name in longest_first)
        return re.compile(rf"(?<![\w-])(?:{spelt})(?![\w-])")


def redactor(names: Collection[str]) -> Redactor:
    """Look for these names, of which none is empty."""
    return Redactor(frozenset(name for name in names if name))


def _spellings(name: str) -> tuple[bytes, bytes]:
    return name.encode("utf-8", "surrogatepass"), json.dumps(name)[1:-1].encode()


def _documents(body: bytes) -> list[bytes]:
    """Cut lines of JSON apart; a body that is one document stays whole."""
    return [body] if _read(body) is not None else body.split(b"\n")


def _read(body: bytes) -> Json:
    """Read JSON that holds others: an object or a list; None where it is none."""
    try:
        found: Json = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _unpacked(value: str) -> bytes:
    """Give a header with what is packed in it: the parts of a token are base64."""
    parts = [value.encode()]
    for part in re.split(r"[.\s]", value):
        try:
            parts.append(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except (binascii.Error, ValueError):
            continue
    return b"\n".join(parts)
