"""What a key may do, and the keys that are settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from qos_monitor.settings import Settings


class Scope(StrEnum):
    """One thing that a key may be made for."""

    ROSTER = "roster"
    """Courses, enrolments, classes, and whose a provider's name is."""
    OBSERVATIONS = "observations"
    """What was seen, in our own words."""
    EVIDENCE = "evidence"
    """What the school's own backend did."""
    CASES_READ = "cases.read"
    """Cases, time lines, bundles, incidents, feeds, the audit trail; the console without its buttons."""
    CASES_DECIDE = "cases.decide"
    """Release and refuse: this moves money."""


@dataclass(frozen=True, slots=True)
class StaticKey:
    """A token among the settings; its name is that of the setting, its scopes never change."""

    name: str
    token: str = field(repr=False)
    scopes: frozenset[Scope]


_OF_SETTINGS: tuple[tuple[str, Callable[[Settings], str | None], frozenset[Scope]], ...] = (
    ("QOS_OBSERVATIONS_TOKEN", lambda given: given.observations_token, frozenset({Scope.OBSERVATIONS})),
    ("QOS_EVIDENCE_TOKEN", lambda given: given.evidence_token, frozenset({Scope.EVIDENCE})),
    ("QOS_ROSTER_TOKEN", lambda given: given.roster_token, frozenset({Scope.ROSTER})),
    ("QOS_CASES_TOKEN", lambda given: given.cases_token, frozenset({Scope.CASES_READ, Scope.CASES_DECIDE})),
)


def static_keys(settings: Settings) -> Sequence[StaticKey]:
    """Give the tokens that are set, as keys."""
    found = ((name, token(settings), scopes) for name, token, scopes in _OF_SETTINGS)
    return [StaticKey(name, token, scopes) for name, token, scopes in found if token is not None]
