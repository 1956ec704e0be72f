"""Observations as lines of JSON: checked before they are stored, read later like any provider's delivery."""

import hashlib
from collections.abc import Iterator

from collectors.contract import Delivery, DeliveryKey, Reading, Sighting, Unreadable
from collectors.lines import observations
from qos_monitor.reading import unstorable
from rules.document import Invalid, Problem
from rules.observation import Observation
from rules.span import MINUTE

PROVIDER = "observations"
_PROBLEMS_MAX = 100


class ObservationLines:
    """The collector for our own format. Who may send is settled before, by a bearer token."""

    provider = PROVIDER
    kept_headers: frozenset[str] = frozenset()

    def verify(self, delivery: Delivery) -> None:
        """Believe it: `POST /v1/observations` is the only way in, and asks for the token."""

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name a request by its bytes. Raises Invalid where it was not checked before."""
        return key(delivery.body, read(delivery.body))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - named as in Collector
        """Say that it is kept."""
        return 202, b"{}", "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Read every line. Raises Unreadable where one is not an observation."""
        try:
            seen = read(delivery.body)
        except Invalid as invalid:
            raise Unreadable(f"{len(invalid.problems)} problems") from None
        return Reading(tuple(Sighting(observation, placed=True) for observation in seen))


def key(body: bytes, seen: list[Observation]) -> DeliveryKey:
    """Name a request by its bytes, and by the earliest instant in it."""
    minute = min((observation.at for observation in seen), default=0) // MINUTE
    return DeliveryKey(minute, hashlib.sha256(body).hexdigest())


def read(body: bytes) -> list[Observation]:
    """Read one observation per line; empty lines count but say nothing.

    Raises Invalid with the problems of every line, paths beginning ``line 3.``; at most a hundred are told.
    """
    problems: list[Problem] = []
    seen = list(_lines(body, problems))
    if problems:
        raise Invalid(problems[:_PROBLEMS_MAX])
    return seen


def _lines(body: bytes, problems: list[Problem]) -> Iterator[Observation]:
    for path, observation in observations(body, problems):
        if key := unstorable(Sighting(observation, placed=True)):
            problems.append(Problem(f"{path}.{key}", "is too long, holds NUL or half a character, or is out of range"))
        yield observation
