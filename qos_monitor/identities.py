"""Takes what the school says of providers' names: which person is Agora's uid 42, or Zoom's account x."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collectors import registry
from qos_monitor import naming, observing, remapping, tombstones
from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading, upsert, writing
from qos_monitor.storage.rows import chunks, is_plain
from qos_monitor.storage.tables import identities
from rules.document import Fields, Invalid, Problem
from rules.span import Instant

AT_ONCE_MAX: int = 20_000
"""So many observations are placed anew in the transaction of the import; of more the `remap` job takes care."""

_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """One name at one provider, and whose it is; None takes it from whoever had it."""

    provider: str
    name: str
    person_id: str | None


@dataclass(frozen=True, slots=True)
class IdentityPlan:
    """What an import changes."""

    added: Sequence[Identity]
    changed: Sequence[Identity]
    removed: Sequence[Identity]
    unchanged: int

    @property
    def moving(self) -> Sequence[Identity]:
        """All that are not yet as they are given."""
        return [*self.added, *self.changed, *self.removed]

    def as_json(self) -> dict[str, object]:
        """Write it for the caller: names as ``provider:name``."""
        told = {"added": self.added, "changed": self.changed, "removed": self.removed}
        words = {key: [f"{one.provider}:{one.name}" for one in listed] for key, listed in told.items()}
        return {**words, "unchanged": self.unchanged}


def read(document: object) -> list[Identity]:
    """Read ``{"identities": [{"provider", "name", "person_id"}]}``. Raises Invalid with every problem."""
    problems: list[Problem] = []
    whole = Fields(document, "", problems)
    found: list[tuple[str, Identity]] = []
    listed = whole.take("identities")
    if not isinstance(listed, list):
        whole.note("identities", "must be a list")
        listed = []
    whole.close()
    for index, value in enumerate(listed):
        path = f"identities[{index}]"
        fields = Fields(value, path, problems)
        one = Identity(fields.text("provider"), fields.text("name"), fields.text_or_none("person_id"))
        fields.close()
        found.append((f"{path}.", one))
    if not problems:
        problems += problems_of(found)
    if problems:
        raise Invalid(problems)
    return [one for _, one in found]


def problems_of(found: Sequence[tuple[str, Identity]]) -> list[Problem]:
    """Say what is wrong with identities, each given with its place (which begins the problem's path)."""
    problems: list[Problem] = []
    seen: dict[tuple[str, str], str] = {}
    known = registry.known()
    for place, one in found:
        if one.provider not in known:
            problems.append(Problem(f"{place}provider", f"must be one of {', '.join(sorted(known))}"))
        for key, text in (("name", one.name), ("person_id", one.person_id)):
            if not is_plain(text, _LENGTH_MAX):
                message = f"must be at most {_LENGTH_MAX} characters long, without NUL or half characters"
                problems.append(Problem(f"{place}{key}", message))
        if (before := seen.setdefault((one.provider, one.name), place)) != place:
            problems.append(Problem(f"{place}name", f"is given twice; see {before.strip(' .')}"))
    return problems


async def imported(
    engine: AsyncEngine, given: Sequence[Identity], clock: Clock, actor: Actor, *, is_dry: bool
) -> IdentityPlan:
    """Put identities in force in one transaction, or only say what that would change; again changes nothing.

    What was seen under a name that is new or another's now is placed anew, and what that moves is judged again.
    """
    if is_dry:
        async with reading(engine) as conn:
            return await _plan(conn, given)
    async with writing(engine) as conn:
        await naming.moving(conn)
        planned = await _plan(conn, given)
        await _put(conn, planned)
        await _remap(conn, planned.moving, clock.now())
        counts = f"{len(planned.added)} added, {len(planned.changed)} changed, {len(planned.removed)} removed"
        await audit.record(conn, Act(actor, "identities.changed", "identities", counts), clock.now())
    return planned


async def _plan(conn: AsyncConnection, given: Sequence[Identity]) -> IdentityPlan:
    gone = await tombstones.gone_among(conn, {one.person_id for one in given if one.person_id is not None})
    given = [one for one in given if one.person_id not in gone]
    known: dict[tuple[str, str], str] = {}
    for names in chunks({one.name for one in given}):
        rows = await conn.execute(select(identities).where(identities.c.name.in_(names)))
        known |= {(row.provider, row.name): row.person_id for row in rows}
    added: list[Identity] = []
    changed: list[Identity] = []
    removed: list[Identity] = []
    for one in given:
        person = known.get((one.provider, one.name))
        if person == one.person_id:
            continue
        (removed if one.person_id is None else added if person is None else changed).append(one)
    return IdentityPlan(added, changed, removed, len(given) - len(added) - len(changed) - len(removed))


async def _put(conn: AsyncConnection, planned: IdentityPlan) -> None:
    rows = [
        {"provider": one.provider, "name": one.name, "person_id": one.person_id}
        for one in (*planned.added, *planned.changed)
    ]
    if rows:
        await conn.execute(upsert(conn.dialect.name, identities), rows)
    for one in planned.removed:
        is_it = (identities.c.provider == one.provider) & (identities.c.name == one.name)
        await conn.execute(delete(identities).where(is_it))


async def _remap(conn: AsyncConnection, moving: Sequence[Identity], now: Instant) -> None:
    by_provider: dict[str, list[str]] = {}
    for one in moving:
        by_provider.setdefault(one.provider, []).append(one.name)
    seen = 0
    for provider, names in by_provider.items():
        seen += await observing.seen_of(conn, provider, names, AT_ONCE_MAX + 1 - seen)
    if seen > AT_ONCE_MAX:
        await remapping.again(conn)
        return
    for provider, names in by_provider.items():
        await observing.remap_names(conn, provider, names, now)
