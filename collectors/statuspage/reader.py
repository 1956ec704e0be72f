"""Reads what a status page said into incidents declared and cleared; README.md here has the facts."""

import hashlib

import msgspec

from collectors.body import OBSERVATION_ID_MAX, capped, key_of_bytes, parsed, short_text
from collectors.contract import Delivery, DeliveryKey, Reading, Sighting, Unreadable
from collectors.statuspage import feed, listing
from collectors.statuspage.pages import StatusPage
from collectors.statuspage.turns import Incident, Turn, strange, turns
from rules.observation import Observation
from rules.span import DAY

READER = "statuspage"
"""The provider under which what pages said is stored."""

WORDS_MAX: int = 100
SESSION_MAX: int = 240
AHEAD_MAX: int = DAY
"""What is dated later than this after we read it has not happened."""


class StatusPages:
    """The collector for pages that we fetched ourselves, each with whose it is in the header ``asked``."""

    provider = READER
    kept_headers: frozenset[str] = frozenset({"asked"})

    def verify(self, delivery: Delivery) -> None:
        """Believe it: nobody but our own job stores one."""

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name a page by what it tells, so that one that only counts its own views up is stored once.

        Falls back to the bytes of one that cannot be read.
        """
        try:
            told = [sighting.observation.as_json() for sighting in self.read(delivery).sightings]
        except Unreadable:
            return key_of_bytes(delivery.body)
        said = msgspec.json.encode([delivery.headers.get("asked", ""), told])
        return DeliveryKey(0, hashlib.sha256(said).hexdigest())

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - named as in Collector
        """Say that it is kept; nobody hears it."""
        return 200, b"{}", "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one page. Raises Unreadable where it, or whose it is, is not what it should be."""
        whose = parsed(delivery.headers.get("asked", "").encode())
        provider, page = short_text(whose.get("provider"), 32), short_text(whose.get("page"))
        if provider is None or page is None:
            raise Unreadable("whose page it is, is missing")
        unknown: list[str] = []
        read = feed.incidents if delivery.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else listing.incidents
        found = read(delivery.body, unknown)
        unknown += strange(found)
        latest = delivery.received_at + AHEAD_MAX
        sightings = [
            _sighting(incident, turn, (provider, page))
            for incident in found
            for turn in turns(incident)
            if turn.at <= latest
        ]
        return Reading(tuple(sightings), unknown=tuple(dict.fromkeys(unknown)))


def asked(page: StatusPage) -> str:
    """Write whose page it is, for the header ``asked``."""
    return msgspec.json.encode({"page": page.host, "provider": page.provider}).decode()


def _sighting(incident: Incident, turn: Turn, whose: tuple[str, str]) -> Sighting:
    provider, page = whose
    name = f"{page}:{_plain(incident.id)}"
    words = _plain(incident.words)
    seen = Observation(
        source=provider,
        id=capped(f"{name}:{turn.kind.value}:{turn.number}", OBSERVATION_ID_MAX),
        kind=turn.kind,
        at=turn.at,
        session=capped(name, SESSION_MAX),
        code=(words if len(words) <= WORDS_MAX else f"{words[: WORDS_MAX - 1]}…") or None,
        domains={"provider": provider},
    )
    return Sighting(seen, placed=True)


def _plain(given: str) -> str:
    """Drop what no database stores."""
    return given.replace("\x00", "").encode("utf-8", "ignore").decode()
