"""Where the learners of the classes that run now are: in, shut out, or not to be seen."""

from typing import Any

from sqlalchemy import JSON, ColumnElement, Float, Select, String, and_, case, cast, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.feeds import Doors
from qos_monitor.gauging.samples import Labels, Samples
from qos_monitor.metrics.labels import NODE, NONE, OTHER, PROVIDER, STATES_NOW
from qos_monitor.metrics.standing import LEARNERS_NOW
from qos_monitor.storage.tables import class_learners, classes, observations
from qos_monitor.tallying import Vocabulary
from rules.observation import Fault, Kind, Role
from rules.policy import Policy
from rules.span import HOUR, MINUTE, Instant

_ENTERS = 15 * MINUTE
_CLASS_MAX = 6 * HOUR
"""A class that lasts longer is seen from here on back; nobody teaches for so long."""
_FRESH = 2 * MINUTE
"""Statistics that ended longer ago say nothing about now."""
_TRIES = MINUTE
_FORGIVEN = 5 * MINUTE
"""Less than this lost of a class is no loss (SPEC 5), nor less than a quarter of a short one. So who is late, waits for
the teacher at the start, or is let out before the end, is not yet missed."""
_LIFE = (Kind.ATTEMPTED, Kind.JOIN_FAILED, Kind.JOINED, Kind.LEFT)
_NEVER = 0


async def read(conn: AsyncConnection, words: Vocabulary, doors: Doors, policy: Policy, now: Instant) -> Samples:
    """Count the learners owed a class now, by provider, node and state; at the cost of the classes that run.

    A provider has the name that the gauges of feeds give it, before anything was ever heard of it too.
    """
    counts: dict[Labels, float] = {}
    for provider, node, state, count in await conn.execute(statement(conn.dialect.name, policy, now)):
        served = provider if words.knows([(PROVIDER, "", provider)]) else doors.label(provider)
        used = NONE if node is None else node if words.knows([(NODE, provider, node)]) else OTHER
        counts[served, used, state] = counts.get((served, used, state), 0) + count
    places = {labels[:2] for labels in counts}
    zeros = {(*place, state): 0.0 for place in places for state in STATES_NOW}
    return {LEARNERS_NOW: dict(sorted((zeros | counts).items()))}


def statement(dialect: str, policy: Policy, now: Instant) -> Select[Any]:
    """Build the one question: of whom is owed a class now, what was last seen of each."""
    running = _running(now)
    people = _people(dialect, running, now)
    poor = _poor(dialect, policy, running, now)
    linked = running.join(class_learners, class_learners.c.class_id == running.c.id)
    linked = linked.outerjoin(people, _same(people))
    # A list, not a join: SQLite makes an index of it, where it would look through a joined one for every learner.
    is_poor = tuple_(people.c.class_id, people.c.participant_id).in_(poor)
    state = _state(running, people, is_poor, now).label("state")
    return (
        select(running.c.provider, people.c.node, state, func.count())
        .select_from(linked)
        .group_by(running.c.provider, people.c.node, "state")
    )


def _running(now: Instant) -> Any:  # noqa: ANN401 - SQLAlchemy's CTE has no type for its columns
    goes_on = or_(classes.c.cancelled_at.is_(None), classes.c.cancelled_at > now)
    is_on = and_(classes.c.ends_at > now, classes.c.starts_at <= now, goes_on)
    lasts = classes.c.ends_at - classes.c.starts_at
    forgiven = case((lasts < 4 * _FORGIVEN, lasts / 4), else_=_FORGIVEN)
    has_begun = (classes.c.starts_at + forgiven <= now).label("has_begun")
    nearly_over = (classes.c.ends_at - forgiven).label("nearly_over")
    return select(classes.c.id, classes.c.provider, has_begun, nearly_over).where(is_on).cte("running")


def _same(other: Any) -> ColumnElement[bool]:  # noqa: ANN401 - any of the subqueries below
    mine = class_learners.c
    return and_(other.c.class_id == mine.class_id, other.c.participant_id == mine.learner_id)


def _of_now(running: Any, since: Instant) -> ColumnElement[bool]:  # noqa: ANN401 - as above
    is_ours = observations.c.class_id.in_(select(running.c.id))
    return and_(observations.c.at >= since, is_ours, observations.c.role == Role.LEARNER.value)


def _people(dialect: str, running: Any, now: Instant) -> Any:  # noqa: ANN401 - as above
    """Gather what was last seen of each: when they came in and went, and when they could not come in."""
    seen = observations.c

    def last(kind: Kind, *more: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.max(case((and_(seen.kind == kind.value, *more), seen.at))), _NEVER)

    def count(kind: Kind) -> ColumnElement[int]:
        return func.sum(case((seen.kind == kind.value, 1), else_=0))

    is_own = seen.fault == Fault.LEARNER.value
    each = (
        select(
            seen.class_id,
            seen.participant_id,
            func.max(_text(dialect, seen.domains, NODE)).label("node"),
            last(Kind.JOINED).label("came"),
            last(Kind.LEFT).label("went"),
            last(Kind.LEFT, is_own).label("went_by_choice"),
            func.max(last(Kind.JOIN_FAILED), last(Kind.LEFT, ~is_own)).label("put_out")
            if dialect == "sqlite"
            else func.greatest(last(Kind.JOIN_FAILED), last(Kind.LEFT, ~is_own)).label("put_out"),
            func.min(case((seen.kind == Kind.ATTEMPTED.value, seen.at))).label("tried"),
            (count(Kind.JOINED) > count(Kind.LEFT)).label("is_open"),
        )
        .where(_of_now(running, now - _CLASS_MAX - _ENTERS), seen.kind.in_([kind.value for kind in _LIFE]))
        .group_by(seen.class_id, seen.participant_id, seen.source)
        .subquery("each")
    )
    found = each.c
    return (
        select(
            found.class_id,
            found.participant_id,
            func.max(found.node).label("node"),
            func.max(case((found.is_open, found.came), else_=_NEVER)).label("came"),
            func.max(case((found.is_open, _NEVER), else_=found.went)).label("went"),
            func.max(found.came).label("ever_came"),
            func.max(found.went_by_choice).label("went_by_choice"),
            func.max(found.put_out).label("put_out"),
            func.min(found.tried).label("tried"),
        )
        .group_by(found.class_id, found.participant_id)
        .subquery("people")
    )


def _poor(dialect: str, policy: Policy, running: Any, now: Instant) -> Select[Any]:  # noqa: ANN401 - as above
    """Find those whose latest statistics are impaired or unusable (SPEC 3)."""
    seen, limits = observations.c, policy.impaired

    def value(name: str) -> ColumnElement[float]:
        return cast(_text(dialect, seen.metrics, name), Float)

    is_poor = or_(
        value("audio_frozen") >= limits.audio_frozen,
        value("video_frozen") >= limits.video_frozen,
        value("fps") < limits.fps,
        *(value(name) > getattr(limits, name) for name in ("loss", "rtt_ms", "jitter_ms", "delay_ms")),
        value("av_offset_ms") < limits.av_offset_low_ms,
        value("av_offset_ms") > limits.av_offset_high_ms,
    )
    fresh = and_(_of_now(running, now - 2 * _FRESH), seen.until > now - _FRESH)
    return select(seen.class_id, seen.participant_id).where(seen.kind == Kind.QUALITY.value, fresh, is_poor)


def _state(
    running: Any,  # noqa: ANN401 - as above
    people: Any,  # noqa: ANN401 - as above
    is_poor: ColumnElement[bool],
    now: Instant,
) -> ColumnElement[str]:
    found, of_class = people.c, running.c
    tries = func.coalesce(found.tried, _NEVER)
    is_in = and_(found.came > _NEVER, found.came >= found.went)
    gave_up = and_(found.ever_came == _NEVER, tries > _NEVER, tries <= now - _TRIES)
    is_put_out = and_(found.put_out > found.went_by_choice, found.put_out >= found.came)
    is_let_out = and_(found.ever_came > _NEVER, found.went >= of_class.nearly_over)
    return case(
        (and_(found.participant_id.is_(None), of_class.has_begun), "absent"),
        (found.participant_id.is_(None), "arriving"),
        (and_(is_in, is_poor), "struggling"),
        (is_in, "in"),
        (is_let_out, "away"),
        (or_(is_put_out, and_(gave_up, of_class.has_begun, found.went_by_choice == _NEVER)), "shut_out"),
        (found.went_by_choice > _NEVER, "away"),
        (tries > _NEVER, "arriving"),
        else_="absent",
    )


def _text(dialect: str, column: ColumnElement[str], name: str) -> ColumnElement[str]:
    """Take one value out of a JSON object."""
    if dialect == "sqlite":
        return func.json_extract(column, f"$.{name}")
    return cast(func.json_extract_path_text(cast(column, JSON), name), String)
