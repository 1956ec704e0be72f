"""What a window of classes is judged on, read from the tables, and the tallies it leaves for later windows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.polls import reconciled
from collectors.removals import explained
from qos_monitor import carrying, coverage, due, going_down
from qos_monitor.storage.engine import upsert
from qos_monitor.storage.rows import WINDOW, chunks, class_of, course_of, enrolment_of, observation_of
from qos_monitor.storage.tables import (
    class_learners,
    classes,
    courses,
    enrolments,
    observations,
    outages,
    window_domains,
    windows,
)
from rules.judge import as_known, class_inputs
from rules.observation import Observation
from rules.past import Past, Tally, absence_share
from rules.policy import Policy
from rules.span import DAY, HOUR, MINUTE, Instant
from rules.statistics import NOBODY, Count, State, usual_share
from rules.window import EXPECTED, ClassInputs, EnrolmentOf, Usual
from rules.world import Enrolment, ScheduledClass, World, enrolment_finder

_NAMES_MAX = 200  # in one OR: SQLite takes a tree of a thousand


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """Everything one window is judged on, as known at one instant."""

    classes: Sequence[ClassInputs]
    usual: Usual
    enrolment_of: EnrolmentOf
    observations: Mapping[str, Sequence[Observation]]
    """By class id, as they were counted."""
    known_later: Instant | None
    """When the first of what is stored and was not known yet will be: a clock stepped back, two disagree, or what is
    judged as of an instant came after it."""


async def load(conn: AsyncConnection, number: int, now: Instant, policy: Policy) -> WindowInputs:
    """Read a window's classes with their evidence, and what was usual before it."""
    scheduled = await classes_where(conn, classes.c.window == number)
    due_classes = [row for row in scheduled if row.ends_at + policy.time.provisional_after_min * MINUTE <= now]
    seen = await observations_of(conn, [row.id for row in due_classes])
    feeds = await coverage.of_classes(conn, due_classes)
    course_ids = {row.course_id for row in due_classes}
    taught = [
        course_of(row)
        for ids in chunks(course_ids)
        for row in await conn.execute(select(courses).where(courses.c.id.in_(ids)))
    ]
    bought = await enrolments_of(conn, {name for row in due_classes for name in row.learner_ids})
    world = as_known(World(tuple(taught), tuple(bought), tuple(due_classes), tuple(seen)), now)
    inputs = class_inputs(world, policy, feeds)
    by_class: dict[str, list[Observation]] = {}
    for one in world.observations:
        if one.class_id is not None:
            by_class.setdefault(one.class_id, []).append(one)
    return WindowInputs(
        classes=[inputs[row.id] for row in sorted(world.classes, key=lambda row: row.id)],
        usual=await _usual(conn, number, policy),
        enrolment_of=enrolment_finder(world.enrolments),
        observations=by_class,
        known_later=min((one.known_at for one in seen if one.known_at > now), default=None),
    )


async def next_due(conn: AsyncConnection, number: int, now: Instant, policy: Policy) -> Instant | None:
    """Say when a class of the window next becomes provisional or firm."""
    ends = (await conn.execute(select(classes.c.ends_at).where(classes.c.window == number))).scalars()
    waits = (policy.time.provisional_after_min * MINUTE, policy.time.firm_after_h * HOUR)
    return min((end + wait for end in ends for wait in waits if end + wait > now), default=None)


async def classes_where(conn: AsyncConnection, condition: ColumnElement[bool]) -> list[ScheduledClass]:
    """Read classes with their learners, by start."""
    statement = select(classes).where(condition).order_by(classes.c.starts_at, classes.c.id)
    rows = (await conn.execute(statement)).all()
    names: dict[str, list[str]] = {}
    for ids in chunks(row.id for row in rows):
        links = select(class_learners).where(class_learners.c.class_id.in_(ids)).order_by(class_learners.c.learner_id)
        for link in await conn.execute(links):
            names.setdefault(link.class_id, []).append(link.learner_id)
    return [class_of(row, names.get(row.id, ())) for row in rows]


async def observations_of(conn: AsyncConnection, class_ids: Iterable[str]) -> list[Observation]:
    """Read everything seen of these classes, once each where webhooks and polls told the same."""
    given = list(class_ids)
    seen = [
        observation_of(row)
        for ids in chunks(given)
        for row in await conn.execute(select(observations).where(observations.c.class_id.in_(ids)))
    ]
    seen += await carrying.carried(conn, given)
    return explained(await going_down.with_shutdowns(conn, reconciled(seen)))


async def enrolments_of(conn: AsyncConnection, learner_ids: Iterable[str]) -> list[Enrolment]:
    """Read the enrolments of these learners."""
    return [
        enrolment_of(row)
        for ids in chunks(learner_ids)
        for row in await conn.execute(select(enrolments).where(enrolments.c.learner_id.in_(ids)))
    ]


async def _usual(conn: AsyncConnection, number: int, policy: Policy) -> Usual:
    """Sum what the windows before this one told of each domain, the faulty ones left out."""
    statement = (
        select(
            window_domains.c.domain,
            func.sum(window_domains.c.voters).label("voters"),
            func.sum(window_domains.c.lost).label("lost"),
        )
        .where(
            window_domains.c.window >= number - _history(policy),
            window_domains.c.window < number,
            window_domains.c.state != State.FAULTY.value,
        )
        .group_by(window_domains.c.domain)
    )
    past = {row.domain: Count(int(row.voters), int(row.lost)) for row in await conn.execute(statement)}
    terms = policy.attribution
    return Usual(
        lambda name: usual_share(past.get(name, NOBODY), terms), absence_share(past.get(EXPECTED, NOBODY), terms)
    )


def _history(policy: Policy) -> int:
    """How many windows back the past reaches."""
    return policy.attribution.history_days * DAY // WINDOW


async def tally(
    conn: AsyncConnection, number: int, tallies: Mapping[str, Tally], policy: Policy, now: Instant
) -> set[str]:
    """Keep a window's tallies; where they changed, have judged again what looked back on them.

    Later windows to which another share is usual now are due at once; answers the learners in whose outages a domain
    plays a part that changed its state here.
    """
    old = {
        row.domain: Tally(Count(row.voters, row.lost), State(row.state))
        for row in await conn.execute(select(window_domains).where(window_domains.c.window == number))
    }
    changed = {name for name in old.keys() | tallies.keys() if old.get(name) != tallies.get(name)}
    if not changed:
        return set()
    later = await _judged_later(conn, number, policy)
    looked_back = await _around(conn, number, changed, later, policy)
    await conn.execute(delete(window_domains).where(window_domains.c.window == number))
    rows = [
        {"window": number, "domain": name, "voters": one.count.voters, "lost": one.count.lost, "state": one.state.value}
        for name, one in sorted(tallies.items())
    ]
    if rows:
        await conn.execute(upsert(conn.dialect.name, window_domains), rows)
    before = _shares(looked_back | {number: old}, changed, later, policy)
    after = _shares(looked_back | {number: tallies}, changed, later, policy)
    await due.touch_windows(conn, ((window, now) for window in later if before[window] != after[window]))
    restated = {name for name in changed if _state(old.get(name)) is not _state(tallies.get(name))}
    return await _concerned(conn, restated)


def _state(one: Tally | None) -> State:
    return State.SILENT if one is None else one.state


async def _judged_later(conn: AsyncConnection, number: int, policy: Policy) -> Sequence[int]:
    # One in hand may have been read before what we write.
    is_read = or_(windows.c.judged_at.is_not(None), windows.c.lease_until > 0)
    statement = select(windows.c.window).where(
        windows.c.window > number, windows.c.window <= number + _history(policy), is_read
    )
    return (await conn.execute(statement)).scalars().all()


async def _around(
    conn: AsyncConnection, number: int, names: Iterable[str], later: Sequence[int], policy: Policy
) -> dict[int, dict[str, Tally]]:
    """Read what was tallied of these domains in the windows that the later ones look back on, this one left out."""
    found: dict[int, dict[str, Tally]] = {}
    if not later:
        return found
    is_near = (window_domains.c.window >= min(later) - _history(policy)) & (window_domains.c.window < max(later))
    for some in chunks(sorted(names)):
        statement = select(window_domains).where(is_near, window_domains.c.domain.in_(some))
        for row in await conn.execute(statement.where(window_domains.c.window != number)):
            found.setdefault(row.window, {})[row.domain] = Tally(Count(row.voters, row.lost), State(row.state))
    return found


def _shares(
    tallied: Mapping[int, Mapping[str, Tally]], names: Iterable[str], later: Sequence[int], policy: Policy
) -> dict[int, tuple[object, ...]]:
    """Compute the usual share of each of these domains before each of the later windows."""
    past = Past(policy)
    for window, tallies in sorted(tallied.items()):
        past.add(window * WINDOW, tallies)
    ordered = sorted(names)
    return {
        window: tuple(
            past.usual_absence(name, window * WINDOW) if name == EXPECTED else past.usual(name, window * WINDOW)
            for name in ordered
        )
        for window in later
    }


async def _concerned(conn: AsyncConnection, names: set[str]) -> set[str]:
    """Name the learners whose outages stand on one of these domains."""
    if not names:
        return set()
    found: set[str] = set()
    for some in chunks(sorted(names), _NAMES_MAX):
        is_named = or_(*(outages.c.domains.contains(f"|{name}|", autoescape=True) for name in some))
        found.update((await conn.execute(select(outages.c.learner_id).where(is_named))).scalars())
    return found
