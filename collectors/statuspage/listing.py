"""Reads the JSON of a status page: incidents, and maintenances that have begun."""

from collections.abc import Iterator

from collectors.body import EARLIEST_S, LATEST_S, Object, inner, parsed, text
from collectors.contract import Unreadable
from collectors.statuspage.turns import IS_OPEN, Incident
from rules.span import SECOND, Instant, parse_instant

_LISTS = ("incidents", "scheduled_maintenances")


def incidents(body: bytes, unknown: list[str]) -> list[Incident]:
    """Read what is listed; one without id or times is noted in ``unknown``. Raises Unreadable."""
    listed = parsed(body)
    if not any(isinstance(listed.get(name), list) for name in _LISTS):
        raise Unreadable("neither incidents nor scheduled_maintenances is a list")
    found = [_incident(row, is_planned=name == _LISTS[1]) for name in _LISTS for row in _rows(listed.get(name))]
    unknown += ["incident without id or times" for one in found if one is None]
    return [one for one in found if one is not None]


def _rows(given: object) -> list[Object]:
    return [inner(row) for row in given] if isinstance(given, list) else []


def _incident(row: Object, *, is_planned: bool) -> Incident | None:
    name = text(row.get("id"))
    begun = None if is_planned else _instant(row.get("started_at"), row.get("created_at"))
    updates = list(_updates(row)) or list(_alone(row, begun))
    if name is None or not updates:
        return None
    words = ": ".join(filter(None, (text(row.get("impact")), text(row.get("name")))))
    return Incident(name, words, tuple(updates), begun)


def _updates(row: Object) -> Iterator[tuple[Instant, str]]:
    for update in reversed(_rows(row.get("incident_updates"))):  # they stand newest first
        at, word = _instant(update.get("display_at"), update.get("created_at")), text(update.get("status"))
        if at is not None and word is not None:
            yield at, word


def _alone(row: Object, begun: Instant | None) -> Iterator[tuple[Instant, str]]:
    """Take the state of the incident itself, where it is listed without updates."""
    word = text(row.get("status"))
    if word is None:
        return
    is_open = IS_OPEN.get(word)
    at = begun if is_open else _instant(row.get("resolved_at"), row.get("updated_at"))
    if at is None and is_open:
        at = _instant(row.get("scheduled_for"))
    if at is not None:
        yield at, word


def _instant(*given: object) -> Instant | None:
    """Take the first that is an instant between the years 2000 and 2100."""
    for one in given:
        try:
            at = parse_instant(one) if isinstance(one, str) else None
        except ValueError:
            continue
        if at is not None and EARLIEST_S * SECOND <= at <= LATEST_S * SECOND:
            return at
    return None
