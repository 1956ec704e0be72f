"""Reads the RSS or Atom of a status page. A document type is refused: without one XML has no entity to blow up."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from xml.parsers import expat

from collectors.body import EARLIEST_S, LATEST_S
from collectors.contract import Unreadable
from collectors.statuspage.turns import Incident
from rules.span import Instant

ITEMS_MAX: int = 500

_FEEDS = frozenset({"rss", "feed"})  # RSS, Atom
_ITEMS = frozenset({"item", "entry"})  # the same
_TEXTS = frozenset({"guid", "id", "link", "title", "pubDate", "updated", "published", "description", "content"})
_TAGS = re.compile(r"</?var[^<>]*>")
_UPDATE = re.compile(
    r"<small>\s*([A-Z][a-z]{2})\s+(\d{1,2}),\s*(\d{1,2}):(\d{2})\s*([A-Z]{0,5})[^<]{0,40}</small>\s*<br\s*/?>\s*"
    r"<strong>([^<]{1,40})</strong>"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def incidents(body: bytes, unknown: list[str]) -> list[Incident]:
    """Read the items; one whose updates cannot be read is noted in ``unknown``. Raises Unreadable."""
    found = [_incident(item) for item in _Items().read(body)]
    unknown += ["item without updates" for one in found if one is None]
    return [one for one in found if one is not None]


class _Items:
    """Collects the texts of each item while expat walks through the document, which may be nested as it likes."""

    def __init__(self) -> None:
        self._items: list[dict[str, str]] = []
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._in_item = 0

    def read(self, body: bytes) -> list[dict[str, str]]:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(body, True)  # noqa: FBT003 - expat's own: this is all of it
        except (expat.ExpatError, ValueError, LookupError):  # the last two: an encoding it does not know
            raise Unreadable("the body is not well-formed XML") from None
        return self._items

    def _start(self, name: str, _attributes: object) -> None:
        local = name.rpartition(" ")[2]
        if not self._path and local not in _FEEDS:
            raise Unreadable("the body is no feed")
        self._path.append(local)
        if local in _ITEMS and not self._in_item:
            if len(self._items) == ITEMS_MAX:
                raise Unreadable(f"the feed holds more than {ITEMS_MAX} items")
            self._items.append({})
            self._in_item = len(self._path)
        is_text = self._in_item > 0 and len(self._path) == self._in_item + 1 and local in _TEXTS
        if is_text:
            self._text = []

    def _end(self, _name: str) -> None:
        local = self._path.pop()
        if self._text is not None and len(self._path) == self._in_item:
            self._items[-1].setdefault(local, "".join(self._text).strip())
            self._text = None
        if len(self._path) < self._in_item:
            self._in_item = 0

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)


def _refuse(*_declared: object) -> None:
    raise Unreadable("the body has a document type")


def _incident(item: dict[str, str]) -> Incident | None:
    name = item.get("guid") or item.get("id") or item.get("link")
    stamp = _stamp(item)
    if not name or stamp is None:
        return None
    told = list(_updates(item.get("content") or item.get("description") or "", stamp))
    return Incident(name, item.get("title", ""), tuple(reversed(told))) if told else None


def _stamp(item: dict[str, str]) -> datetime | None:
    """Take when the item last changed (or began), in the page's own zone."""
    readers: list[tuple[str, Callable[[str], datetime]]] = [
        ("updated", datetime.fromisoformat),
        ("pubDate", parsedate_to_datetime),
        ("published", datetime.fromisoformat),
    ]
    for name, read in readers:
        try:
            stamp = read(item.get(name, ""))
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
    return None


def _updates(html: str, stamp: datetime) -> Iterator[tuple[Instant, str]]:
    """Give the updates as they stand, newest first; of their times the page writes neither year nor offset."""
    for month, day, hour, minute, zone, word in _UPDATE.findall(_TAGS.sub("", html)):
        number = _MONTHS.index(month) + 1 if month in _MONTHS else 0
        at = _near(stamp, (number, int(day), int(hour), int(minute)), UTC if zone == "UTC" else None)
        if at is not None:
            yield at, word.strip().lower().replace(" ", "_")


def _near(stamp: datetime, given: tuple[int, int, int, int], zone: tzinfo | None) -> Instant | None:
    """Find the instant of a month, day, hour and minute, in the year that brings it nearest to the stamp."""
    found = []
    for year in (stamp.year - 1, stamp.year, stamp.year + 1):
        try:
            month, day, hour, minute = given
            found.append(int(datetime(year, month, day, hour, minute, tzinfo=zone or stamp.tzinfo).timestamp()))
        except (ValueError, OverflowError):
            continue
    seconds = min(found, key=lambda one: abs(one - stamp.timestamp()), default=0)
    return seconds * 1000 if EARLIEST_S <= seconds <= LATEST_S else None
