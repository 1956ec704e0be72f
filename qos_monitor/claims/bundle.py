"""The evidence bundle: everything one judgement of one learner rests on, self-contained, hashed and chained."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.storage.engine import upsert
from qos_monitor.storage.rows import canonical
from qos_monitor.storage.tables import bundles, cursors
from rules.deadline import UnpublishedYear, WorkingDay
from rules.document import Invalid
from rules.dossier import Dossier, read_dossier
from rules.judge import judge_learner
from rules.policy import Policy, read
from rules.span import Instant, format_instant, parse_instant

FORMAT = "qos-monitor/bundle/1"
KEYS = frozenset(
    {"format", "previous_sha256", "as_of", "rule_version", "policy", "working_days", "dossier", "judgement"}
)

_CHAIN = "bundle_chain"
_DIFFERENCES_MAX = 200


@dataclass(slots=True)
class Recorder:
    """A working-day predicate that remembers what it was asked, so that the answers travel with the bundle.

    A calendar published later must not make an old bundle look wrong.
    """

    is_working_day: WorkingDay
    answers: dict[str, bool | None] = field(default_factory=dict)

    def __call__(self, day: date) -> bool:
        try:
            answer = self.is_working_day(day)
        except UnpublishedYear:
            self.answers[day.isoformat()] = None
            raise
        self.answers[day.isoformat()] = answer
        return answer


def contents(
    dossier: Dossier,
    as_of: Instant,
    policy: Policy,
    is_working_day: WorkingDay,
    given: Mapping[str, object],
) -> dict[str, object]:
    """Put together all of a bundle but its place in the chain.

    ``given`` are the outages and cases that were acted on: they are written as they were, beside the verdicts the
    dossier yields, so that `verify` shows any difference between what was done and what the inputs say.
    """
    recorder = Recorder(is_working_day)
    judgement = judge_learner(dossier, as_of, policy, recorder).as_json() | dict(given)
    return {
        "format": FORMAT,
        "as_of": format_instant(as_of),
        "rule_version": policy.rule_version,
        "policy": policy.as_json(),
        "working_days": recorder.answers,
        "dossier": dossier.as_json(),
        "judgement": judgement,
    }


async def keep(conn: AsyncConnection, case_key: str, bundle: Mapping[str, object], now: Instant) -> str:
    """Store a bundle as the next of the chain and give its SHA-256 in hex."""
    await _take_turn(conn)
    latest = select(bundles.c.sha256).order_by(bundles.c.seq.desc()).limit(1)
    previous = (await conn.execute(latest)).scalar_one_or_none()
    body = canonical({**bundle, "previous_sha256": previous})
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    known = select(bundles.c.seq).where(bundles.c.sha256 == sha256)
    if (await conn.execute(known)).first() is None:
        row = {"sha256": sha256, "previous_sha256": previous, "case_key": case_key, "body": body}
        await conn.execute(insert(bundles).values(**row, created_at=now))
    return sha256


async def _take_turn(conn: AsyncConnection) -> None:
    """Let one transaction at a time extend the chain; the row is locked until it ends."""
    await conn.execute(upsert(conn.dialect.name, cursors, []).values(name=_CHAIN, value=0))
    await conn.execute(update(cursors).where(cursors.c.name == _CHAIN).values(value=cursors.c.value + 1))


async def latest_of(conn: AsyncConnection, case_key: str) -> dict[str, Any] | None:
    """Read the contents of the last bundle of a case; None where it has none."""
    query = select(bundles.c.body).where(bundles.c.case_key == case_key).order_by(bundles.c.seq.desc()).limit(1)
    body = (await conn.execute(query)).scalar_one_or_none()
    return None if body is None else json.loads(body)


def verify(data: bytes) -> list[str]:
    """Judge again from the inputs in a bundle and tell, path by path, what differs; empty where nothing does.

    Needs nothing but the bundle. What is not a bundle is a difference too, never an exception.
    """
    try:
        bundle = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return ["the file is not JSON"]
    problems = _shape(bundle)
    if problems:
        return problems
    if canonical(bundle).encode() != data:
        problems.append("the bytes are not the canonical form, so their hash is not the bundle's")
    try:
        policy = read(bundle["policy"])
        dossier = read_dossier(bundle["dossier"])
        as_of = parse_instant(bundle["as_of"])
    except (Invalid, ValueError) as error:
        return [*problems, f"the inputs cannot be read: {error}"]
    if policy.rule_version != bundle["rule_version"]:
        problems.append(_difference("rule_version", bundle["rule_version"], policy.rule_version))
    try:
        again = judge_learner(dossier, as_of, policy, _replayed(bundle["working_days"])).as_json()
    except LookupError as error:
        return [*problems, str(error)]
    found = [*problems, *differences(bundle["judgement"], json.loads(canonical(again)), "judgement")]
    return found[:_DIFFERENCES_MAX]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _shape(bundle: object) -> list[str]:
    if not isinstance(bundle, dict):
        return ["the file is not a JSON object"]
    if bundle.get("format") != FORMAT:
        return [f"format: {bundle.get('format')!r} is not {FORMAT!r}"]
    problems = [f"{key}: is missing" for key in sorted(KEYS - set(bundle))]
    problems += [f"{key}: is not a key of a bundle" for key in sorted(set(bundle) - KEYS)]
    if not problems and not isinstance(bundle["working_days"], dict):
        problems.append("working_days: must be an object")
    if not problems and not isinstance(bundle["as_of"], str):
        problems.append("as_of: must be an instant")
    return problems


def _replayed(answers: Mapping[str, bool | None]) -> Callable[[date], bool]:
    def is_working_day(day: date) -> bool:
        name = day.isoformat()
        if name not in answers:
            raise LookupError(f"working_days: {name} is needed and missing")
        answer = answers[name]
        if answer is None:
            raise UnpublishedYear(f"the working days of {day.year} were not published")
        return answer

    return is_working_day


def differences(stored: object, again: object, path: str) -> Iterator[str]:
    """Walk two JSON values together and tell every place where they differ."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in sorted({*stored, *again}):
            yield from differences(stored.get(key), again.get(key), f"{path}.{key}")
    elif isinstance(stored, list) and isinstance(again, list):
        if len(stored) != len(again):
            yield f"{path}: {len(stored)} stored, {len(again)} recomputed"
        for index, (one, other) in enumerate(zip(stored, again, strict=False)):
            yield from differences(one, other, f"{path}[{index}]")
    elif stored != again or isinstance(stored, bool) != isinstance(again, bool):
        yield _difference(path, stored, again)


def _difference(path: str, stored: object, again: object) -> str:
    return f"{path}: stored {canonical(stored)}, recomputed {canonical(again)}"


def verify_chain(chain: Iterable[bytes]) -> list[str]:
    """Check that each bundle names the hash of the one before, in the order given; empty where all do.

    The first may name one that is not here: a part of the chain can be checked by itself.
    """
    problems = []
    before: str | None = None
    for index, data in enumerate(chain):
        try:
            named = json.loads(data).get("previous_sha256")
        except (ValueError, RecursionError, AttributeError):
            named = None
            problems.append(f"bundle {index}: is not a JSON object")
        if index and named != before:
            problems.append(f"bundle {index}: names {named} as the one before, which is {before}")
        before = hashlib.sha256(data).hexdigest()
    return problems
