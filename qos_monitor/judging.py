"""Windows that are due become verdicts; learners that are due become outages and cases."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import due, folding, logs, tallying, tombstones, verdict_book, window_book
from qos_monitor.folding import Folded, Settle
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.tables import WAITING, class_learners, classes, deliveries, learners, windows
from rules.deadline import WorkingDay
from rules.policy import Policy
from rules.span import MINUTE, Instant
from rules.window import WindowJudgement, judge_window

LEASE: int = 5 * MINUTE
"""A window or learner taken up is due again after this if we die before it is done."""

UNREAD_MAX: int = MINUTE
"""Nothing is judged while a delivery has waited longer than this to be read: what it says may change a verdict."""

_LOCK = 0x514F4A  # any number that nobody else locks: "QOJ"
WINDOWS_MAX = 50
LEARNERS_MAX = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """What every judgement needs and none changes."""

    policy: Policy
    is_working_day: WorkingDay


async def has_backlog(engine: AsyncEngine, providers: Collection[str], now: Instant) -> bool:
    """Say whether deliveries of these providers have waited too long to be read for judging to make sense."""
    statement = select(deliveries.c.seq).where(
        deliveries.c.state == WAITING,
        deliveries.c.provider.in_(providers),
        deliveries.c.received_at < now - UNREAD_MAX,
    )
    async with reading(engine) as conn:
        return (await conn.execute(statement.limit(1))).first() is not None


async def judge_due(
    engine: AsyncEngine, policy: Policy, is_working_day: WorkingDay, now: Instant, settle: Settle
) -> int:
    """Judge the windows due at ``now``, oldest first, then the learners due; answer how many of both.

    A learner is looked at only when no window of theirs is due or in hand, so that a backlog never files what half
    of the evidence says. Each window and each batch of learners is one transaction. Whatever is touched meanwhile, or
    was in hand when we died, is due again; doing it twice changes nothing.
    """
    terms = Terms(policy, is_working_day)
    done = 0
    for number in await _due_windows(engine, now):
        done += await _judge(engine, number, terms, now)
    return done + await _fold(engine, terms, now, settle)


def _is_due(now: Instant) -> ColumnElement[bool]:
    """Ask whether a window is due, or in a hand whose lease was given before the clock stepped back."""
    is_in_hand = windows.c.due_at == windows.c.lease_until
    return or_(windows.c.due_at <= now, and_(windows.c.due_at > now + 2 * LEASE, is_in_hand))


async def _due_windows(engine: AsyncEngine, now: Instant) -> Sequence[int]:
    statement = select(windows.c.window).where(_is_due(now)).order_by(windows.c.window).limit(WINDOWS_MAX)
    async with reading(engine) as conn:
        return (await conn.execute(statement)).scalars().all()


async def _judge(engine: AsyncEngine, number: int, terms: Terms, now: Instant) -> int:
    token = await _take(engine, number, now)
    if token is None:
        return 0
    async with reading(engine) as conn:
        inputs = await window_book.load(conn, number, now, terms.policy)
    judged = await asyncio.to_thread(judge_window, inputs.classes, inputs.usual, inputs.enrolment_of, now, terms.policy)
    async with writing(engine) as conn:
        await _in_turn(conn)
        moments = (inputs.known_later, await window_book.next_due(conn, number, now, terms.policy))
        next_at = min((at for at in moments if at is not None), default=None)
        if not await _release(conn, number, token, now, next_at):
            return 0  # somebody else took it up when our lease ran out; theirs is the judgement
        judged = await _without_forgotten(conn, judged)
        changed = await verdict_book.supersede(conn, number, inputs, judged, terms.policy, now)
        concerned = await window_book.tally(conn, number, judged.tallies, terms.policy, now)
        await due.touch_learners(conn, changed.learners | concerned, now)
        await tallying.add(conn, changed.counts, now)
    return 1


async def _without_forgotten(conn: AsyncConnection, judged: WindowJudgement) -> WindowJudgement:
    """Leave out who was forgotten while we judged: nothing about them may come back, nor be looked at again."""
    gone = await tombstones.gone_among(conn, {record.learner_id for record in judged.records})
    return replace(judged, records=tuple(one for one in judged.records if one.learner_id not in gone))


async def _take(engine: AsyncEngine, number: int, now: Instant) -> int | None:
    """Take a window up; None where another worker was faster."""
    statement = (
        update(windows)
        .where(windows.c.window == number, _is_due(now))
        .values(due_at=now + LEASE, lease_until=now + LEASE, lease_token=windows.c.lease_token + 1)
        .returning(windows.c.lease_token)
    )
    async with writing(engine) as conn:
        await _in_turn(conn)
        token: int | None = (await conn.execute(statement)).scalar()
        return token


async def _in_turn(conn: AsyncConnection) -> None:
    """Take windows up and put them back one at a time: who looks back on a window has seen what it left, or is seen.

    Else two workers with neighbouring windows could each miss the other, and a share that is not usual any more stays.
    """
    if conn.dialect.name == "postgresql":  # on SQLite a writer is alone
        await conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def _release(conn: AsyncConnection, number: int, token: int, now: Instant, next_at: Instant | None) -> bool:
    """Put a window back, due when it next has something to say; a touch in between keeps it due now."""
    is_untouched = windows.c.due_at == windows.c.lease_until
    statement = (
        update(windows)
        .where(windows.c.window == number, windows.c.lease_token == token)
        .values(due_at=case((is_untouched, next_at), else_=windows.c.due_at), judged_at=now, lease_until=0)
        .returning(windows.c.window)
    )
    return (await conn.execute(statement)).scalar() is not None


async def _fold(engine: AsyncEngine, terms: Terms, now: Instant, settle: Settle) -> int:
    tokens = await _take_learners(engine, now)
    if not tokens:
        return 0
    ids = sorted(tokens)
    async with reading(engine) as conn:
        lives = await folding.load(conn, ids, terms.policy, now)
    folded = await asyncio.to_thread(folding.fold, lives, terms.policy, terms.is_working_day, now)
    async with writing(engine) as conn:
        held = await _still_held(conn, tokens, now)
        # Evidence came for these while we folded: the lease runs out, and they are folded with it.
        waits = await _with_window_due(conn, ids, now)
        ours = held - waits
        done = [one for one in folded if one.life.learner_id in ours and await _stored(conn, one, now, settle)]
        await _release_learners(conn, done, now)
    return len(ids)


async def _stored(conn: AsyncConnection, one: Folded, now: Instant, settle: Settle) -> bool:
    """Keep and file what was found of one learner; False where that failed, which undoes it."""
    if one.is_settled:
        return True
    try:
        async with conn.begin_nested():
            await folding.store(conn, one, now, settle)
    except Exception as error:  # noqa: BLE001 - what is wrong with one learner must not stop the others
        logs.failure("learner_failed", error)
        return False
    return True


async def _take_learners(engine: AsyncEngine, now: Instant) -> dict[str, int]:
    """Take up learners who are due, each with the token of our lease; whoever is in other hands is passed over."""
    is_ripe = and_(learners.c.look_again_at <= now, ~_has_window_due(learners.c.id, now))
    # By the index alone: with any second key all who are due would be sorted, and asked for their windows, each time.
    chosen = select(learners.c.id).where(is_ripe).order_by(learners.c.look_again_at).limit(LEARNERS_MAX)
    async with reading(engine) as conn:
        ids = (await conn.execute(chosen)).scalars().all()
    if not ids:
        return {}
    free = select(learners.c.id).where(learners.c.id.in_(ids), is_ripe).with_for_update(skip_locked=True)
    lease = {"look_again_at": now + LEASE, "lease_until": now + LEASE, "lease_token": learners.c.lease_token + 1}
    async with writing(engine) as conn:
        taken = (await conn.execute(free)).scalars().all()
        statement = update(learners).where(learners.c.id.in_(taken)).values(lease)
        rows = await conn.execute(statement.returning(learners.c.id, learners.c.lease_token))
        return {row.id: row.lease_token for row in rows}


async def _still_held(conn: AsyncConnection, tokens: Mapping[str, int], now: Instant) -> set[str]:
    """Keep those that nobody took over or touched since; they stay so until the transaction ends.

    Of one who was touched something is known now that was not when we looked: they are due again, and folded with it.
    """
    statement = select(learners.c.id, learners.c.lease_token).where(
        learners.c.id.in_(tokens), learners.c.look_again_at == now + LEASE
    )
    rows = await conn.execute(statement.order_by(learners.c.id).with_for_update())
    return {row.id for row in rows if row.lease_token == tokens[row.id]}


def _has_window_due(learner_id: ColumnElement[str], now: Instant) -> ColumnElement[bool]:
    """Ask whether a window with a class of this learner is due, or in somebody's hand."""
    return (
        exists()
        .where(class_learners.c.learner_id == learner_id)
        .where(classes.c.id == class_learners.c.class_id)
        .where(windows.c.window == classes.c.window)
        .where(or_(_is_due(now), windows.c.lease_until.between(now + 1, now + 2 * LEASE)))
    )


async def _with_window_due(conn: AsyncConnection, learner_ids: Sequence[str], now: Instant) -> set[str]:
    statement = select(learners.c.id).where(learners.c.id.in_(learner_ids), _has_window_due(learners.c.id, now))
    return set((await conn.execute(statement)).scalars())


async def _release_learners(conn: AsyncConnection, done: Sequence[Folded], now: Instant) -> None:
    """Put learners back, each due when there is next something to say; a touch in between keeps one due now."""
    is_untouched = or_(learners.c.look_again_at == now + LEASE, learners.c.look_again_at.is_(None))
    next_at = case((is_untouched, bindparam("next_at")), else_=learners.c.look_again_at)
    statement = update(learners).where(learners.c.id == bindparam("whose"))
    rows = [{"whose": one.life.learner_id, "next_at": one.next_at, "hashed": one.sha256} for one in done]
    if rows:
        await conn.execute(statement.values(look_again_at=next_at, settled_sha256=bindparam("hashed")), rows)
