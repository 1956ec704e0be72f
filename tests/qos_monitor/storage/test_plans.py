"""No statement that the service runs all day reads a big table whole."""

from hot_paths import BIG, HotPaths
from lessons import Lessons
from sqlalchemy.ext.asyncio import AsyncEngine

SCHOOL = Lessons(200)

KNOWN = {
    ("sqlite", "cases", "SCAN cases USING COVERING INDEX ix_cases_counted"),
    ("sqlite", "claims", "SCAN claims USING COVERING INDEX ix_claims_counted"),
    ("sqlite", "outages", "SCAN outages"),
    ("postgresql", "outages", "Seq Scan"),
}
"""What is read whole and may be (decision 0030): counts of all cases and claims, and whose outage a domain is in."""


async def test_no_hot_statement_reads_a_big_table_whole(engine: AsyncEngine) -> None:
    await SCHOOL.fill(engine)
    await SCHOOL.due_all(engine)
    hot = HotPaths(engine, SCHOOL.over_at)
    await hot.run()

    steps = await hot.steps()

    whole = {(engine.dialect.name, step.table, step.how) for _, _, step in steps if step.is_whole}
    assert whole - KNOWN == set()
    assert {part for part, _, _ in steps} >= {"reading", "judging", "outbox", "gauges", "lists", "retention", "review"}
    assert {step.table for _, _, step in steps} >= set(BIG) - {"bundles", "case_transitions"}


async def test_a_statement_that_does_is_found(engine: AsyncEngine) -> None:
    await SCHOOL.fill(engine)
    hot = HotPaths(engine, SCHOOL.over_at)
    with hot.watched("a new list"):
        async with engine.connect() as conn:
            await conn.exec_driver_sql("SELECT count(*) FROM observations WHERE code = 'x'")

    ((part, _, step),) = await hot.steps()

    assert (part, step.table, step.is_whole) == ("a new list", "observations", True)
