"""The device-test room: checks outside any class, as anchors and recoveries see them (SPEC 2, 6)."""

from collections.abc import Iterable, Mapping

from rules.evidence import cause_of, domain
from rules.observation import Fault, Kind, Observation, Role
from rules.outage import Check


def checks_of(observations: Iterable[Observation]) -> Mapping[str, list[Check]]:
    """List the checks of every learner, by instant; takes chosen copies only."""
    found: dict[str, list[Check]] = {}
    for seen in observations:
        if seen.kind in (Kind.CHECK_PASSED, Kind.CHECK_FAILED) and seen.role is Role.LEARNER:
            found.setdefault(seen.participant_id or "", []).append(check_of(seen))
    return found


def check_of(seen: Observation) -> Check:
    """Read one check; only a failure by the platform's fault has a cause."""
    domains = frozenset(domain(key, value) for key, value in seen.domains.items())
    if "provider" not in seen.domains:
        domains |= {domain("provider", seen.source)}
    if seen.kind is Kind.CHECK_PASSED:
        return Check(seen.id, seen.at, has_passed=True, domains=domains)
    cause = cause_of(seen, {"account": seen.participant_id or ""}, seen.source)
    if cause.fault is not Fault.PLATFORM:
        return Check(seen.id, seen.at, has_passed=False, domains=domains)
    return Check(seen.id, seen.at, has_passed=False, domains=domains, cause_domain=cause.domain, grade=cause.grade)
