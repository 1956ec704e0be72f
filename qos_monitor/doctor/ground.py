"""Looks at what everything stands on: schema, size, clock, calendar, and the chains that prove what was done."""

import hashlib
import json
import shutil
from datetime import UTC, datetime

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor.access import audit
from qos_monitor.doctor.finding import Finding, Level, graded, lasting
from qos_monitor.gauging import upkeep
from qos_monitor.gauging.owing import Terms, published_until
from qos_monitor.metrics import standing
from qos_monitor.storage.access_tables import audit as entries
from qos_monitor.storage.engine import file_of, migrations
from qos_monitor.storage.tables import bundles, deliveries
from rules.span import DAY, MINUTE, SECOND, Instant

SKEW_WARN, SKEW_FAIL = 2 * SECOND, MINUTE
FULL_WARN, FULL_FAIL = 0.8, 0.95
ROOM_FAIL: int = 256 * 2**20
"""Fewer free bytes than this beside a SQLite file: its journal may not find room."""

_PAGE = 200
_NEXT_YEAR_FROM = 60 * DAY  # the State Council publishes a year's days in November of the year before


async def schema(conn: AsyncConnection) -> list[Finding]:
    """Compare the database's revision with this program's."""
    found = await conn.run_sync(_revision)
    scripts = ScriptDirectory.from_config(migrations())
    head, known = scripts.get_current_head(), {one.revision for one in scripts.walk_revisions()}
    if found == head:
        return [Finding("schema", Level.OK, f"{found}")]
    if found is None:
        return [Finding("schema", Level.FAIL, "there are no tables", "Start the service once; it makes them")]
    if found in known:
        return [Finding("schema", Level.WARN, f"{found}, this program's is {head}", "The next start brings it there")]
    return [Finding("schema", Level.WARN, f"{found} is newer than this program's {head}", "Upgrade this program too")]


def _revision(conn: Connection) -> str | None:
    return MigrationContext.configure(conn).get_current_revision()


async def size(conn: AsyncConnection, engine: AsyncEngine, bytes_max: int) -> list[Finding]:
    """Look how near the database is to what it may become."""
    told = await upkeep.read(conn, engine, bytes_max)
    taken, most = (_number(told[metric].get(())) for metric in (standing.DATABASE_SIZE, standing.DATABASE_LIMIT))
    words = f"{taken / 2**20:,.0f} MB"
    if most == float("inf"):
        return [Finding("size", Level.OK, f"{words}; set QOS_DATABASE_BYTES_MAX to be told when it is near full")]
    level = graded(taken / most, FULL_WARN, FULL_FAIL)
    file = file_of(engine)
    words += f" of {most / 2**20:,.0f} MB"
    if file is not None and (free := shutil.disk_usage(file.absolute().parent).free) < ROOM_FAIL:
        level = Level.FAIL
        words += f", with {free / 2**20:,.0f} MB free on its disk"
    advice = "Give it more room, or keep less (QOS_KEEP_…; runbook QosDatabaseNearFull)"
    return [Finding("size", level, words, "" if level is Level.OK else advice)]


def _number(value: object) -> float:
    return value if isinstance(value, float) else 0.0


async def clock(conn: AsyncConnection, now: Instant) -> list[Finding]:
    """Compare our clock with the server's, and with the newest thing that was written by it."""
    found = []
    if conn.dialect.name == "postgresql":
        theirs = (await conn.execute(text("SELECT extract(epoch FROM clock_timestamp()) * 1000"))).scalar_one()
        skew = abs(int(theirs) - now)
        level = graded(skew, SKEW_WARN, SKEW_FAIL)
        advice = "" if level is Level.OK else "Set both clocks by NTP: leases and retries are timed by them"
        found.append(Finding("clock", level, f"{skew} ms from the database's", advice))
    newest = (await conn.execute(select(deliveries.c.received_at).order_by(deliveries.c.seq.desc()).limit(1))).scalar()
    ahead = (newest or now) - now
    level = graded(ahead, SKEW_WARN, SKEW_FAIL)
    if level is not Level.OK:
        words, advice = (
            f"the last delivery is {lasting(ahead)} from now",
            "The clock was set back, or is wrong: use NTP",
        )
        found.append(Finding("clock", level, words, advice))
    return found or [Finding("clock", Level.OK, "nothing was written in the future")]


def calendar(terms: Terms, now: Instant) -> list[Finding]:
    """Look whether working days are known far enough ahead to count deadlines."""
    until = published_until(terms, now)
    last = datetime.fromtimestamp((until - DAY) / SECOND, UTC).year
    if until <= now:
        advice = (
            "Upgrade the package chinesecalendar; deadlines are provisional until then (runbook QosCalendarMissing)"
        )
        return [Finding("calendar", Level.FAIL, "working days of this year are not known", advice)]
    if until - now < _NEXT_YEAR_FROM:
        advice = "Upgrade the package chinesecalendar when next year's days are published (November)"
        return [Finding("calendar", Level.WARN, f"working days are known to the end of {last}", advice)]
    return [Finding("calendar", Level.OK, f"working days are known to the end of {last}")]


async def proofs(conn: AsyncConnection) -> list[Finding]:
    """Walk the chain of evidence: each body has its hash, and names the one before."""
    previous: str | None = None
    seq = count = 0
    while True:
        statement = select(bundles).where(bundles.c.seq > seq).order_by(bundles.c.seq).limit(_PAGE)
        rows = (await conn.execute(statement)).all()
        for row in rows:
            is_whole = hashlib.sha256(row.body.encode()).hexdigest() == row.sha256
            if not is_whole or row.previous_sha256 != previous or _told(row.body) != previous:
                words = f"broken at bundle {row.seq} of case {row.case_key[:12]}…"
                advice = "Somebody changed it, or a copy was put back: compare with a backup (docs/evidence.md)"
                return [Finding("evidence chain", Level.FAIL, words, advice)]
            previous = row.sha256
        count += len(rows)
        if len(rows) < _PAGE:
            return [Finding("evidence chain", Level.OK, f"{count} bundles, each follows the one before")]
        seq = rows[-1].seq


def _told(body: str) -> str | None:
    """Read what the body itself says of the one before."""
    told: str | None = json.loads(body).get("previous_sha256")
    return told


async def trail(conn: AsyncConnection) -> list[Finding]:
    """Walk the audit trail."""
    broken = await audit.first_broken(conn)
    if broken is not None:
        advice = "Somebody went past the guards of the table: compare with a backup"
        return [Finding("audit trail", Level.FAIL, f"broken at entry {broken}", advice)]
    count = (await conn.execute(select(func.count()).select_from(entries))).scalar_one()
    return [Finding("audit trail", Level.OK, f"{count} entries, each follows the one before")]
