"""The message to the refund system: one claim as JSON, always under 20 kB, in the shape of claim.schema.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from qos_monitor.claims import words
from qos_monitor.claims.entitlement import Demand
from qos_monitor.claims.ledger import CaseRow
from qos_monitor.claims.lifecycle import ClaimKind
from qos_monitor.storage.rows import canonical
from rules.money import written
from rules.policy import Policy
from rules.span import SECOND, Instant, Span, format_instant, parse_instant

FORMAT = "qos-monitor/claim/1"
BYTES_MAX = 20_000
"""A message is shorter than this, whatever the case; what is cut is in the evidence bundle."""

_TEXT_MAX = 1_500


@dataclass(frozen=True, slots=True)
class Claim:
    """All that a message is made of, beside the policy."""

    claim_key: str
    version: int
    kind: ClaimKind
    case: CaseRow
    demand: Demand
    due: tuple[str | None, str | None, bool]
    """Target and limit day (ISO dates), and whether a calendar still to be published may move them."""
    bundle_sha256: str | None
    made_at: Instant
    already_claimed: Sequence[Mapping[str, object]] = ()
    """What was sent before for the same enrolment and stays: claim key, kind, tier, amount, currency, state."""
    why: str = ""
    """A person's words, for a withdrawal; else the judgement's."""


@cache
def schema() -> bytes:
    """Read the JSON Schema (2020-12) of the message, as it is served."""
    return resources.files("qos_monitor.claims").joinpath("claim.schema.json").read_bytes()


def compose(claim: Claim, policy: Policy, public_url: str) -> str:
    """Write the exact JSON that is sent, and sent again: canonical, UTF-8, shorter than BYTES_MAX.

    Long lists (class ids, domains, earlier claims) are cut to fit and `is_cut` says so; amounts, days, keys and
    hashes never are.
    """
    case, outage = claim.case, _outage(claim.case)
    zone = ZoneInfo(policy.deadlines.zone)
    said = words.Said(
        kind=claim.kind,
        remedy=case.kind,
        tier=case.tier,
        money=_money(claim.demand),
        claimed_before=_claimed_before(claim.demand),
        span=None if outage is None else (_local(outage["starts_at"], zone), _local(outage["ends_at"], zone)),
        span_s=0 if outage is None else int(outage["span_s"]),
        why=claim.why or str(case.body.get("why", "")),
    )
    target, limit, is_provisional = claim.due
    message: dict[str, Any] = {
        "format": FORMAT,
        "claim_key": claim.claim_key,
        "case_key": case.case_key,
        "version": claim.version,
        "kind": claim.kind.value,
        "remedy": case.kind,
        "tier": case.tier,
        "learner_id": case.learner_id,
        "enrolment_id": case.enrolment_id,
        "amount_minor": claim.demand.amount_minor,
        "currency": claim.demand.currency,
        "terms": {key: value for key, value in claim.demand.terms.items() if key not in ("alternatives", "outage")},
        "alternatives": claim.demand.terms.get("alternatives"),
        "already_claimed": [dict(entry) for entry in claim.already_claimed],
        "outage": outage,
        "reason": {"zh": words.zh(said)[:_TEXT_MAX], "en": words.en(said)[:_TEXT_MAX]},
        "due": {"target": target, "limit": limit, "is_provisional": is_provisional},
        "policy": {"rule_version": policy.rule_version, "zh": policy.words.zh, "en": policy.words.en},
        "evidence": _evidence(claim.bundle_sha256, public_url),
        "made_at": format_instant(claim.made_at),
        "is_cut": False,
    }
    return _fitted(message)


def _outage(case: CaseRow) -> dict[str, Any] | None:
    """The outage as it was measured for what is owed, with the domains it was found by."""
    outage = case.body.get("outage")
    if outage is None:
        return None
    measured = case.body["terms"].get("outage") or outage
    span = Span(parse_instant(measured["starts_at"]), parse_instant(measured["ends_at"]))
    return {
        "starts_at": measured["starts_at"],
        "ends_at": measured["ends_at"],
        "span_s": span.length // SECOND,
        "domains": list(outage["domains"]),
    }


def _local(instant: str, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(parse_instant(instant) // SECOND, UTC).astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M}"


def _money(demand: Demand) -> str | None:
    if demand.amount_minor is None or demand.currency is None:
        return None
    return written(demand.amount_minor, demand.currency)


def _claimed_before(demand: Demand) -> str | None:
    before = demand.terms.get("claimed_before_minor")
    return written(before, demand.currency) if isinstance(before, int) and demand.currency else None


def _evidence(sha256: str | None, public_url: str) -> dict[str, str] | None:
    if sha256 is None:
        return None
    return {"url": f"{public_url.rstrip('/')}/v1/bundles/{sha256}", "sha256": sha256}


def _fitted(message: dict[str, Any]) -> str:
    """Halve the longest list until the message is short enough, or nothing is left to cut."""
    while True:
        text = canonical(message)
        owner, key = max(_cuttable(message), key=lambda place: len(canonical(place[0][place[1]])))
        if len(text.encode()) < BYTES_MAX or not owner[key]:
            return text
        message["is_cut"] = True
        value = owner[key]
        if isinstance(value, dict):
            owner[key] = dict(sorted(value.items())[: len(value) // 2])
        else:
            owner[key] = value[: len(value) // 2]


def _cuttable(message: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """List what may be cut: lists, counts by class and plain words, never an amount, a day, a key or a hash."""
    places = [(message, "already_claimed")]
    places += [(message[part], language) for part in ("reason", "policy") for language in ("zh", "en")]
    if message["outage"] is not None:
        places.append((message["outage"], "domains"))
    terms = message["terms"]
    places += [(terms, key) for key, value in terms.items() if isinstance(value, list | dict | str)]
    return places


def shape_problems(body: bytes) -> list[str]:
    """Check a message without a schema library: its keys, their types and its length; empty where all is well."""
    if len(body) >= BYTES_MAX:
        return [f"{len(body)} bytes, and fewer than {BYTES_MAX} are wanted"]
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return ["not JSON"]
    if not isinstance(message, dict):
        return ["not a JSON object"]
    properties = json.loads(schema())["properties"]
    problems = [f"{key}: is missing" for key in properties if key not in message]
    problems += [f"{key}: is not a key of a claim" for key in message if key not in properties]
    for key, rule in properties.items():
        if key in message and not _fits(message[key], rule):
            problems.append(f"{key}: is not what the schema wants")
    return problems


def _fits(value: object, rule: Mapping[str, Any]) -> bool:
    if "const" in rule:
        return bool(value == rule["const"])
    if "enum" in rule:
        return value in rule["enum"]
    wanted = rule.get("type", [])
    return any(_JSON_TYPES[name](value) for name in ([wanted] if isinstance(wanted, str) else wanted))


_JSON_TYPES: Mapping[str, Any] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}
