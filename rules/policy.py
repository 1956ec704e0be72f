"""The numbers in force: read from policy.toml, checked once, every wrong key reported together."""

import hashlib
import json
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rules.document import Invalid, Problem


@dataclass(frozen=True, slots=True)
class Times:
    """SPEC 1 and 5: slots, the join window, when a verdict may be listed and when it is firm."""

    slot_s: int
    join_window_min: int
    provisional_after_min: int
    firm_after_h: int


@dataclass(frozen=True, slots=True)
class EvidenceTerms:
    """SPEC 3: how long after an attempt a join still answers it."""

    attempt_grace_s: int


@dataclass(frozen=True, slots=True)
class Unusable:
    """SPEC 3, 1a: at or above any of these a covered slot is unusable."""

    audio_frozen: float
    video_frozen: float
    loss: float
    rtt_ms: float


@dataclass(frozen=True, slots=True)
class Impaired:
    """SPEC 3, 1b: shares at or above, the rest beyond, make a covered slot impaired."""

    audio_frozen: float
    video_frozen: float
    fps: float
    loss: float
    rtt_ms: float
    jitter_ms: float
    delay_ms: float
    av_offset_low_ms: float
    av_offset_high_ms: float


@dataclass(frozen=True, slots=True)
class AttributionTerms:
    """SPEC 4: when others' losses say whose fault it was."""

    lost_share: Fraction
    room_others_min: int
    room_share: Fraction
    teacher_share: Fraction
    window_min: int
    history_days: int
    usual_floor: Fraction
    usual_cap: Fraction
    faulty_voters_min: int
    faulty_lost_min: int
    faulty_share: Fraction
    faulty_factor: int
    faulty_tail: float
    healthy_voters_min: int
    healthy_share: Fraction
    healthy_factor: int
    deficit_expected_min: int
    deficit_usual_floor: Fraction
    feed_share: Fraction
    last_mile_loss: float
    last_mile_rtt_ms: float
    last_mile_before_s: int


@dataclass(frozen=True, slots=True)
class VerdictTerms:
    """SPEC 5: shares of the class, by time."""

    attended_usable_share: Fraction
    attended_lost_min: int
    short_class_min: int
    impaired_share: Fraction
    unknown_share: Fraction
    usable_share: Fraction
    platform_share: Fraction


@dataclass(frozen=True, slots=True)
class OutageTerms:
    """SPEC 6: runs, gaps and spans."""

    owed_s: int
    attempt_run_min: int
    recovery_run_min: int
    cohort_recovery_h: int
    flap_min: int
    same_domain_gap_h: int
    other_domain_gap_h: int
    incident_gap_h: int
    begin_apart_h: int
    clear_after_h: int
    clear_recovery_min: int


@dataclass(frozen=True, slots=True)
class RemedyTerms:
    """SPEC 7: which case for what, and when a person must look first."""

    every_enrolment_h: int
    linked_days: int
    linked_outage_h: int
    review_unable_platform: int
    review_bad: int
    review_unknown: int
    review_classes: int
    review_days: int
    breaker_share: Fraction
    active_days: int
    makeup_validity_days: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """SPEC 9: days counted from the day of filing in ``zone``."""

    zone: str
    target_days: int
    limit_days: int
    review_days: int
    calendar_days_max: int
    provisional_lead_days: int


@dataclass(frozen=True, slots=True)
class Words:
    """The row of the refund table that is carried out, as learners read it."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Policy:
    """All numbers of one rule version."""

    version: int
    time: Times
    evidence: EvidenceTerms
    unusable: Unusable
    impaired: Impaired
    attribution: AttributionTerms
    verdict: VerdictTerms
    outage: OutageTerms
    remedy: RemedyTerms
    deadlines: Deadlines
    words: Words

    @property
    def rule_version(self) -> str:
        """Name this rule: its number and a hash of every number in it, so that no change goes unnamed."""
        return _rule_version(self)

    def as_json(self) -> dict[str, object]:
        """Write the policy as nested JSON objects; `read` takes it back unchanged."""
        return {section.name: _plain(getattr(self, section.name)) for section in fields(self)}


@cache
def _rule_version(policy: Policy) -> str:
    text = json.dumps(policy.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{policy.version}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def load(text: str) -> Policy:
    """Read a policy file (TOML). Raises Invalid with every missing, unknown or wrong key."""
    try:
        given = tomllib.loads(text, parse_float=_written)
    except tomllib.TOMLDecodeError as error:
        raise Invalid([Problem("", f"not a TOML file: {error}")]) from None
    return read(given)


def _written(text: str) -> Fraction | float:
    """Keep a decimal as it was written; what is no finite number stays so, and is refused later."""
    number = float(text)
    return Fraction(text.replace("_", "")) if math.isfinite(number) else number


def read(given: object) -> Policy:
    """Read a policy from nested objects, as `Policy.as_json` writes them. Raises Invalid likewise."""
    problems: list[Problem] = []
    policy = _section(Policy, given, "", problems)
    if isinstance(policy, Policy):
        problems.extend(_contradictions(policy))
    if problems or not isinstance(policy, Policy):
        raise Invalid(problems)
    return policy


_NOT_ABOVE: tuple[tuple[str, str], ...] = (
    ("impaired.audio_frozen", "unusable.audio_frozen"),
    ("impaired.video_frozen", "unusable.video_frozen"),
    ("impaired.loss", "unusable.loss"),
    ("impaired.rtt_ms", "unusable.rtt_ms"),
    ("impaired.av_offset_low_ms", "impaired.av_offset_high_ms"),
    ("attribution.usual_floor", "attribution.usual_cap"),
    ("attribution.healthy_share", "attribution.faulty_share"),
    ("deadlines.target_days", "deadlines.limit_days"),
    ("deadlines.review_days", "deadlines.limit_days"),
    ("deadlines.limit_days", "deadlines.calendar_days_max"),
)
"""Pairs of numbers of which the first may not be above the second."""


def _contradictions(policy: Policy) -> Iterator[Problem]:
    for low, high in _NOT_ABOVE:
        least, most = _at(policy, low), _at(policy, high)
        if least > most:
            yield Problem(low, f"must not be above {high} ({_shown(most)}), but is {_shown(least)}")
    if not _is_zone(policy.deadlines.zone):
        yield Problem("deadlines.zone", f"must be a time zone such as Asia/Shanghai, not {policy.deadlines.zone!r}")


def _at(policy: Policy, path: str) -> float | Fraction:
    section, _, name = path.partition(".")
    number: float | Fraction = getattr(getattr(policy, section), name)
    return number


def _shown(given: object) -> str:
    """Write what was given as it stood in the file, and no longer than a message may be."""
    words = f"{float(given):g}" if isinstance(given, Fraction) else repr(given)
    return words if len(words) <= 60 else f"{words[:57]}..."


def _is_zone(name: str) -> bool:
    """Say whether it is a time zone; where the machine has no table of zones, believe it."""
    for tried in (name, "UTC"):
        try:
            ZoneInfo(tried)
        except (ZoneInfoNotFoundError, ValueError):
            continue
        return tried == name
    return True


@cache
def default() -> Policy:
    """Read the policy that ships with the rules."""
    return load(resources.files("rules").joinpath("policy.toml").read_text(encoding="utf-8"))


def _section(shape: type, given: object, path: str, problems: list[Problem]) -> object:
    if not isinstance(given, dict):
        problems.append(Problem(path, "must be a table"))
        given = {}
    wanted = {field.name: field.type for field in fields(shape)}
    prefix = f"{path}." if path else ""
    problems.extend(Problem(prefix + str(key), "is not a key of the policy") for key in given if key not in wanted)
    values: dict[str, Any] = {}
    for name, kind in wanted.items():
        if isinstance(kind, type) and is_dataclass(kind):
            values[name] = _section(kind, given.get(name), prefix + name, problems)
        elif name not in given:
            problems.append(Problem(prefix + name, "is missing"))
        else:
            values[name] = _value(kind, given[name], prefix + name, problems)
    return None if problems else shape(**values)


def _value(kind: object, given: object, path: str, problems: list[Problem]) -> object:
    if kind is str:
        if isinstance(given, str) and given:
            return given
        wanted = "a text"
    elif kind is int:
        if isinstance(given, int) and not isinstance(given, bool) and given >= 1:
            return given
        wanted = "a whole number, 1 or more"
    else:
        number = _exact(given)
        if number is not None and (kind is float or 0 <= number <= 1):
            return float(number) if kind is float else number
        wanted = "a number" if kind is float else "a share from 0 to 1"
    problems.append(Problem(path, f"must be {wanted}, not {_shown(given)}"))
    return None


def _exact(given: object) -> Fraction | None:
    """Read a finite number as the decimal it was written as."""
    if isinstance(given, bool) or not isinstance(given, int | float | Fraction):
        return None
    if isinstance(given, float):
        return Fraction(str(given)) if math.isfinite(given) else None
    return Fraction(given)


def _plain(section: object) -> object:
    if not is_dataclass(section):
        return section
    values = {field.name: getattr(section, field.name) for field in fields(section)}
    return {name: float(value) if isinstance(value, Fraction) else value for name, value in values.items()}
