"""Puts together the dossier of one learner: everything a case rests on, so that anybody can judge it again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.polls import reconciled
from collectors.removals import explained
from qos_monitor import carrying, going_down, sealing, window_book
from qos_monitor.storage.rows import chunks, course_of, observation_of, window_of
from qos_monitor.storage.tables import classes, courses, observations
from rules.document import Fields, Invalid, Problem
from rules.dossier import Dossier, read_surroundings
from rules.judge import as_known
from rules.observation import Observation, Role
from rules.remedy import Case
from rules.span import Instant
from rules.window import Surroundings
from rules.world import World

if TYPE_CHECKING:
    from qos_monitor.folding import KeptLife


async def dossier_of(conn: AsyncConnection, kept: "KeptLife", cases: Sequence[Case], now: Instant) -> Dossier:
    """Collect what the given cases rest on, as known at ``now``; without cases, the records alone.

    Classes from the first one a case is about are given with all that was seen in them; older ones, which matter only
    for the lessons they used up, as the records of their verdicts; so are those whose evidence is past its time.
    """
    life = kept.life
    since = min((case.lineage_at for case in cases), default=None)
    anchors = [item.anchor.starts_at for case in cases if case.outage for item in case.outage.placed]
    since = None if since is None else min([since, *anchors])
    fresh = [one for one in kept.verdicts if since is not None and one.record.ends_at > since]
    sealed = await sealing.sealed_among(conn, (window_of(one.record.starts_at) for one in fresh))
    fresh = [one for one in fresh if window_of(one.record.starts_at) not in sealed]
    ids = [one.record.class_id for one in fresh]
    scheduled = [row for some in chunks(ids) for row in await window_book.classes_where(conn, classes.c.id.in_(some))]
    taught = [
        course_of(row)
        for some in chunks({row.course_id for row in scheduled})
        for row in await conn.execute(select(courses).where(courses.c.id.in_(some)))
    ]
    alone = tuple(replace(row, learner_ids=(life.learner_id,)) for row in scheduled)
    seen = (*await _seen(conn, ids, life.learner_id), *kept.checks)
    world = as_known(World(tuple(taught), tuple(life.enrolments), alone, seen), now)
    return Dossier(
        learner_id=life.learner_id,
        roster=replace(world, observations=()),
        observations=world.observations,
        surroundings={one.record.class_id: _read(one.surroundings) for one in fresh},
        settled=tuple(one.record for one in kept.verdicts if one not in fresh),
        class_ends=tuple(life.class_ends),
        windows=kept.windows,
    )


def _read(surroundings: object) -> Surroundings:
    problems: list[Problem] = []
    found = read_surroundings(Fields(surroundings, "surroundings", problems))
    if problems:
        raise Invalid(problems)
    return found


async def _seen(conn: AsyncConnection, class_ids: Sequence[str], learner_id: str) -> list[Observation]:
    is_ours = or_(observations.c.participant_id == learner_id, observations.c.role == Role.TEACHER.value)
    seen = [
        observation_of(row)
        for ids in chunks(class_ids)
        for row in await conn.execute(select(observations).where(observations.c.class_id.in_(ids), is_ours))
    ]
    carried = [
        one
        for one in await carrying.carried(conn, class_ids)
        if one.participant_id == learner_id or one.role is Role.TEACHER
    ]
    return explained(await going_down.with_shutdowns(conn, reconciled([*seen, *carried])))
