"""What is past its time goes in small pieces; what is still judged, owed or unread does not notice."""

import json
from dataclasses import dataclass, replace

import pytest
from claim_parts import FILED, MON, WED, Court, FakeGateway, dark_life, send_due
from rules_school import POLICY, enrolment, kept_out, lesson, on_weekdays, present, school
from service_parts import SetClock, SpokenCollector, row, said
from sqlalchemy import Table, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import due, replaying, retention, roster, sealing
from qos_monitor.claims import bundle
from qos_monitor.judging import Terms
from qos_monitor.polling.book import DONE, WAITING
from qos_monitor.retention import Periods, Retention
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import window_of
from qos_monitor.storage.tables import (
    READ,
    UNREADABLE,
    bundles,
    cases,
    deliveries,
    feed_spans,
    notices,
    observations,
    outages,
    polls,
    verdicts,
    windows,
)
from qos_monitor.storage.tables import WAITING as UNREAD
from rules.span import DAY, HOUR, MINUTE, Instant

PERIODS = Periods(90, 400, 400)
LATER: Instant = FILED + 500 * DAY


@dataclass
class House:
    """A school whose database is cleaned."""

    court: Court

    @property
    def engine(self) -> AsyncEngine:
        """Its database."""
        return self.court.engine

    async def clean(self, now: Instant, periods: Periods = PERIODS) -> dict[str, int]:
        """Go round once; tell how many rows went from which table."""
        gone: dict[str, int] = {}

        def count(table: str, rows: int) -> None:
            if rows:
                gone[table] = gone.get(table, 0) + rows

        await Retention(self.engine, SetClock(now), periods, ("agora",), count).finish()
        return gone

    async def count(self, table: Table) -> int:
        """Count the rows of a table."""
        async with storage.reading(self.engine) as conn:
            return (await conn.execute(select(func.count()).select_from(table))).scalar_one()

    async def put(self, table: Table, *rows: dict[str, object]) -> None:
        """Put rows into a table."""
        async with storage.writing(self.engine) as conn:
            await conn.execute(table.insert(), [row(table, **one) for one in rows])

    async def judged(self) -> tuple[object, object, object]:
        """Read the verdicts in force, the outages and the cases."""
        async with storage.reading(self.engine) as conn:
            mine = select(verdicts.c.learner_id, verdicts.c.class_id, verdicts.c.body, verdicts.c.firm)
            found = (await conn.execute(mine.where(verdicts.c.current).order_by(*mine.selected_columns))).all()
            joined = (await conn.execute(select(outages.c.body).order_by(outages.c.learner_id))).all()
            owed = (await conn.execute(select(cases.c.case_key, cases.c.state).order_by(cases.c.case_key))).all()
        return found, joined, owed

    async def proofs(self) -> list[bytes]:
        """Read the chain of evidence."""
        async with storage.reading(self.engine) as conn:
            return [
                one.encode() for one in (await conn.execute(select(bundles.c.body).order_by(bundles.c.seq))).scalars()
            ]


@pytest.fixture
async def house(engine: AsyncEngine) -> House:
    made = House(Court(engine))
    await made.court.enrol(dark_life())
    await made.court.observe(dark_life().observations, FILED)
    return made


async def settle(house: House) -> None:
    """Send the claim and hear that it was paid."""
    await send_due(house.engine, FakeGateway(), FILED)
    await house.court.report((await house.court.case()).claims[0].claim_key, "paid", FILED + HOUR)


async def test_evidence_goes_when_its_time_is_over_and_what_was_judged_stays(house: House) -> None:
    await settle(house)
    before = await house.judged()

    gone = await house.clean(LATER)

    assert gone["observations"] == len(dark_life().observations)
    assert await house.count(observations) == 0
    assert await house.judged() == before


async def test_nothing_goes_a_day_too_early(house: House) -> None:
    await settle(house)
    first = min(one.at for one in dark_life().observations)

    assert await house.clean(first + 401 * DAY) == {}
    assert await house.clean(first + 402 * DAY) != {}


async def test_a_second_round_finds_nothing(house: House) -> None:
    await settle(house)
    await house.clean(LATER)

    assert await house.clean(LATER) == {}


async def test_for_ever_is_for_ever(house: House) -> None:
    await settle(house)

    assert await house.clean(LATER * 2, Periods(0, 0, 0)) == {}


async def test_what_an_open_case_rests_on_is_kept_until_it_is_settled(house: House) -> None:
    assert await house.clean(LATER) == {}

    await settle(house)
    assert (await house.clean(LATER))["observations"] == len(dark_life().observations)


async def test_a_case_that_was_accepted_and_never_said_to_be_paid_holds_nothing_back_for_ever(house: House) -> None:
    await send_due(house.engine, FakeGateway(), FILED)
    assert (await house.court.case()).state == "accepted"

    assert (await house.clean(LATER))["observations"] == len(dark_life().observations)


async def test_an_outage_that_is_not_decided_holds_its_classes(house: House) -> None:
    await settle(house)
    async with storage.writing(house.engine) as conn:
        await conn.execute(update(outages).values(answer="not_yet"))

    assert await house.clean(LATER) == {}


async def test_a_window_that_is_due_is_judged_before_it_is_sealed(house: House) -> None:
    await settle(house)
    async with storage.writing(house.engine) as conn:
        await conn.execute(update(windows).values(due_at=LATER))

    assert await house.clean(LATER) == {}


async def test_what_comes_late_for_a_sealed_window_changes_no_verdict_and_goes_again(house: House) -> None:
    await settle(house)
    await house.clean(LATER)
    before = await house.judged()

    late = [replace(one, recorded_at=LATER) for one in present(WED)]
    await house.court.observe(late, LATER)

    assert await house.judged() == before
    assert (await house.clean(LATER + HOUR))["observations"] == len(late)


async def test_a_class_told_of_when_its_time_is_over_is_not_judged_without_its_evidence(house: House) -> None:
    await settle(house)
    await house.clean(LATER)
    before = await house.judged()

    forgotten = lesson("fri", "Fri 19:00")
    async with storage.writing(house.engine) as conn:
        await roster.apply(conn, replace(school([forgotten]), observations=()), now=LATER)
    await house.court.catch_up(LATER)

    assert await house.judged() == before


async def test_proofs_of_settled_cases_still_recompute_and_new_ones_rest_on_what_is_kept(house: House) -> None:
    await settle(house)
    old = await house.proofs()
    await house.clean(LATER)

    mon = lesson("new-mon", MON.starts_at + 497 * DAY, course="art")
    wed = lesson("new-wed", WED.starts_at + 497 * DAY, course="art")
    async with storage.writing(house.engine) as conn:
        await roster.apply(conn, school([mon, wed], enrolments=[enrolment("e2", course="art")]), now=LATER - 4 * DAY)
    await house.court.observe([*kept_out(mon), *kept_out(wed)], wed.ends_at + 7 * HOUR)

    chain = await house.proofs()
    assert chain[: len(old)] == old
    assert len(chain) > len(old)
    assert [bundle.verify(data) for data in chain] == [[]] * len(chain)
    assert bundle.verify_chain(chain) == []
    records = json.loads(chain[-1])["dossier"]["settled"]
    assert {one["class_id"] for one in records} == {"mon", "wed"}


async def test_a_stay_that_goes_on_into_an_open_window_is_kept_for_it(house: House) -> None:
    """Two classes back to back in one room: the second is held, the first one's join is carried into it."""
    await settle(house)
    first = replace(lesson("a", "Mon 14:00", "u7"), room_id="r")
    second = replace(lesson("b", "Mon 15:00", "u7"), room_id="r")
    async with storage.writing(house.engine) as conn:
        await roster.apply(conn, school([first, second], enrolments=[]), now=0)
    await house.court.observe([*present(first, who="u7")], FILED)
    async with storage.writing(house.engine) as conn:
        is_second = windows.c.window == window_of(second.starts_at)
        await conn.execute(update(windows).where(is_second).values(due_at=LATER + DAY))

    gone = await house.clean(LATER)

    assert gone["observations"] == len(dark_life().observations)
    async with storage.reading(house.engine) as conn:
        assert set((await conn.execute(select(observations.c.class_id))).scalars()) == {"a"}


async def test_raw_deliveries_go_once_read_and_wait_while_they_are_not(house: House) -> None:
    old = {"received_at": FILED, "headers": "{}", "provider": "agora"}
    await house.put(
        deliveries,
        {**old, "event_id": "read", "state": READ},
        {**old, "event_id": "unread", "state": UNREAD},
        {**old, "event_id": "unreadable", "state": UNREADABLE},
        {**old, "event_id": "young", "state": READ, "received_at": FILED + 60 * DAY},
    )

    assert (await house.clean(FILED + 91 * DAY))["deliveries"] == 1
    async with storage.reading(house.engine) as conn:
        left = (await conn.execute(select(deliveries.c.event_id).order_by(deliveries.c.seq))).scalars().all()
    assert left == ["unread", "unreadable", "young"]


async def test_many_deliveries_go_piece_by_piece(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PIECE", 10)
    rows = [
        {
            "received_at": FILED + number,
            "headers": "{}",
            "event_id": f"{number}",
            "state": UNREAD if number % 7 == 0 else READ,
        }
        for number in range(95)
    ]
    await house.put(deliveries, *rows)

    assert (await house.clean(FILED + 91 * DAY))["deliveries"] == 81
    assert await house.count(deliveries) == 14


async def test_superseded_verdicts_go_and_those_in_force_stay(house: House) -> None:
    mine = await house.count(verdicts)
    old = {"recorded_at": FILED, "learner_id": "u9"}
    await house.put(verdicts, {**old, "class_id": "x", "current": False}, {**old, "class_id": "x", "current": True})

    assert (await house.clean(FILED + 401 * DAY))["verdicts"] == 1
    assert await house.count(verdicts) == mine + 1


async def test_small_things_go_with_the_evidence_but_a_source_is_known_for_ever(house: House) -> None:
    await settle(house)
    await house.put(
        polls,
        {"provider": "agora", "class_id": "mon", "state": DONE, "due_at": FILED},
        {"provider": "agora", "class_id": "wed", "state": WAITING, "due_at": FILED},
    )
    await house.put(notices, {"id": "n", "class_id": "mon", "recorded_at": FILED})
    spans = [{"source": "agora", "starts_at": FILED + n * HOUR, "ends_at": FILED + n * HOUR + MINUTE} for n in range(3)]
    await house.put(feed_spans, *spans)

    gone = await house.clean(LATER)

    assert (gone["polls"], gone["notices"], gone["feed_spans"]) == (1, 1, 2)
    assert await house.count(feed_spans) == 1


async def test_what_belongs_to_no_class_goes_and_checks_stay(house: House) -> None:
    await settle(house)
    around = {"at": FILED, "fault": "unknown", "domains": "{}", "metrics": "{}", "source": "agora"}
    kinds = ("feed_alive", "joined", "incident_declared", "check_failed")
    await house.put(observations, *({**around, "id": kind, "kind": kind} for kind in kinds))

    await house.clean(LATER)

    async with storage.reading(house.engine) as conn:
        assert (await conn.execute(select(observations.c.kind))).scalars().all() == ["check_failed"]


async def test_a_job_rests_for_an_hour_when_all_is_done_and_does_one_piece_a_tick(house: House) -> None:
    clock = SetClock(LATER)
    await settle(house)
    cleaner = Retention(house.engine, clock, PERIODS)

    while await cleaner.run() or cleaner._step:
        pass
    assert await house.count(observations) == 0
    await house.put(deliveries, {"received_at": FILED, "headers": "{}", "state": READ})
    await cleaner.run()
    assert await house.count(deliveries) == 1

    clock.at += HOUR
    await cleaner.finish()
    assert await house.count(deliveries) == 0


async def test_judging_what_is_kept_is_not_changed_by_what_went(engine: AsyncEngine) -> None:
    """The same school twice, with and without a round in between: evidence that comes after it is judged alike."""
    found = []
    young = [lesson(f"k{n}", MON.starts_at + 450 * DAY + n * DAY) for n in range(4)]
    house = House(Court(engine))
    await house.court.enrol(dark_life())
    await house.court.observe(dark_life().observations, FILED)
    await settle(house)
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(young, enrolments=[enrolment()]), now=0)
    told = [*present(young[0]), *kept_out(young[1]), *kept_out(young[3])]
    await house.court.observe(told, LATER)
    found.append(await house.judged())

    await house.clean(LATER)
    async with storage.writing(engine) as conn:
        await due.touch_windows(conn, [(window_of(one.starts_at), LATER) for one in (*young, MON, WED)])
        await due.touch_learners(conn, ["u1"], LATER)
        assert await sealing.sealed_among(conn, [window_of(MON.starts_at)]) == {window_of(MON.starts_at)}
    await house.court.catch_up(LATER)
    found.append(await house.judged())

    assert found[0] == found[1]
    assert await house.count(observations) == len(told)


async def test_what_was_said_long_before_of_a_class_that_may_still_be_judged_is_kept(house: House) -> None:
    await settle(house)
    far = lesson("far", WED.starts_at + 300 * DAY)
    async with storage.writing(house.engine) as conn:
        await roster.apply(conn, school([far]), now=0)
    await house.put(notices, {"id": "n", "class_id": "far", "by": "platform", "recorded_at": FILED})

    await house.clean(LATER)

    assert await house.count(notices) == 1


async def test_what_comes_for_a_class_told_of_too_late_goes_too(house: House) -> None:
    await settle(house)
    await house.clean(LATER)
    late = lesson("late", "Fri 19:00")
    async with storage.writing(house.engine) as conn:
        await roster.apply(conn, school([late]), now=LATER)
    await house.court.observe(kept_out(late), LATER)

    assert (await house.clean(LATER + HOUR))["observations"] == len(kept_out(late))


async def test_replay_finds_what_is_kept_again_though_its_evidence_is_gone(house: House) -> None:
    await settle(house)
    await house.clean(LATER)
    await house.court.catch_up(LATER)
    body = said("old", at=MON.starts_at, room="mon", who="u1", placed=True)
    await house.put(deliveries, {"seq": 1, "provider": "agora", "headers": "{}", "body": body, "state": READ})

    found = await replaying.replay(house.engine, {"agora": SpokenCollector()}, Terms(POLICY, on_weekdays), LATER)

    assert found.is_same, found.tables
    assert {one.what for one in found.tables if one.equal} == {"verdicts", "outages", "cases"}
