"""Whom a provider's name may mean, by what the school said of it and by how its systems write names."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import identities, templates
from qos_monitor.templates import PERSON, Template, Templates

_LOCK = 0x514F4D  # any number that nobody else locks: "QOM"


@dataclass(frozen=True, slots=True)
class Called:
    """Whom a name may mean: in each class the first of these whom it has."""

    given: str
    """Who it is where no class tells: whom the school said, else the name itself."""
    learners: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()

    @property
    def everyone(self) -> set[str]:
        """All whom it may mean."""
        return {self.given, *self.learners, *self.teachers}


@dataclass(frozen=True, slots=True)
class Names:
    """What is known of the names in one batch of sightings."""

    templates: Templates
    identities: Mapping[tuple[str, str], str]

    def called(self, provider: str, name: str) -> Called:
        """Say whom the name may mean. What the school said of a name leaves nothing to the templates."""
        person = self.identities.get((provider, name))
        if person is not None:
            return Called(person)
        read = [reading for one in self.templates.of(PERSON, provider) for reading in one.readings(name)]
        return Called(
            name,
            tuple(reading["learner_id"] for reading in read if "learner_id" in reading),
            tuple(reading["teacher_id"] for reading in read if "teacher_id" in reading),
        )


async def unmoved(conn: AsyncConnection) -> None:
    """Keep what places sightings as it is until this transaction ends; many may ask for that at once."""
    if conn.dialect.name == "postgresql":  # on SQLite a writer is alone
        await conn.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


async def moving(conn: AsyncConnection) -> None:
    """Wait for whoever is placing sightings, and let them wait: each would miss what the other has not committed.

    Where notices of classes are touched too, these come first (`qos_monitor.cancelling`): else two could wait for ever.
    """
    if conn.dialect.name == "postgresql":
        await conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def templates_of(conn: AsyncConnection) -> Templates:
    """Read the templates in force: those the service was last started with."""
    return Templates(Template(*row) for row in await conn.execute(select(templates)))


async def load(conn: AsyncConnection, people: Iterable[tuple[str, str]]) -> Names:
    """Read what is known of these people, each given as provider and name."""
    by_provider: dict[str, set[str]] = defaultdict(set)
    for provider, name in people:
        by_provider[provider].add(name)
    known: dict[tuple[str, str], str] = {}
    for provider, names in by_provider.items():
        for some in chunks(sorted(names)):
            statement = select(identities).where(identities.c.provider == provider, identities.c.name.in_(some))
            known |= {(row.provider, row.name): row.person_id for row in await conn.execute(statement)}
    return Names(await templates_of(conn), known)


async def name_of_teacher(conn: AsyncConnection, known: Templates, provider: str, teacher_id: str) -> str:
    """Write a teacher in the provider's words: as the school said, by the template, or as the roster has it.

    Of several names the first in alphabetical order.
    """
    is_theirs = (identities.c.provider == provider) & (identities.c.person_id == teacher_id)
    told = (await conn.execute(select(func.min(identities.c.name)).where(is_theirs))).scalar()
    written = (one.written({"teacher_id": teacher_id}) for one in known.of(PERSON, provider))
    return told or next(filter(None, written), teacher_id)
