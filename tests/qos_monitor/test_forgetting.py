"""A learner who is forgotten is gone but for what they were owed; nobody else notices, and nothing brings them back."""

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from claim_parts import FILED, Court, FakeGateway, dark_life, send_due
from forgetting_parts import Lists, everything, places, read, take
from rules_school import POLICY, enrolment, lesson, on_weekdays, school
from service_parts import SetClock, SpokenCollector, row, said
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import forgetting, identities, replaying, roster, tombstones, window_book
from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.claims import bundle
from qos_monitor.cli import main
from qos_monitor.forgetting import Forgotten
from qos_monitor.identities import Identity
from qos_monitor.judging import Terms
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import (
    READ,
    UNREADABLE,
    WAITING,
    bundles,
    cases,
    class_learners,
    deliveries,
    observations,
    polls,
    tallies,
    verdicts,
    windows,
)
from qos_monitor.window_book import WindowInputs
from rules.span import DAY, HOUR, Instant
from rules.world import World

if TYPE_CHECKING:
    from collectors.contract import Collector

NOW: Instant = FILED + 30 * DAY
ACT = Act(Actor("root", "command"), "forget", "", "asked by letter")
_MONEY = {"cases", "case_transitions", "claims", "bundles"}


async def forget(engine: AsyncEngine, learner_id: str, now: Instant = NOW) -> Forgotten:
    return await forgetting.forget(engine, learner_id, ACT, now)


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    """Give a school in which learner ``learner-one`` is owed nothing, and others were seen with them."""
    made = Court(engine)
    pair = lesson("both", "Mon 19:00", "learner-one", "learner-two", teacher="teacher-x")
    async with storage.writing(engine) as conn:
        bought = [enrolment("e-one", "learner-one"), enrolment("e-two", "learner-two")]
        await roster.apply(conn, school([pair], enrolments=bought), now=0)
    mine = [Identity("agora", "4711", "learner-one"), Identity("agora", "4712", "learner-two")]
    await identities.imported(engine, mine, SetClock(0), ACT.actor, is_dry=False)
    start = pair.starts_at
    alone = {"id": "a", "at": start, "room": "both", "who": "learner-one", "placed": True}
    together = [
        {"id": "b", "at": start, "room": "r", "who": "4711", "session": "x"},
        {"id": "c", "at": start, "room": "both", "who": "learner-two", "placed": True, "session": "y"},
    ]
    await take(engine, "agora", json.dumps([alone]).encode(), json.dumps(together).encode())
    await read(engine)
    await made.catch_up(FILED)
    return made


async def test_nothing_is_left_of_a_learner_to_whom_nothing_was_owed(court: Court) -> None:
    assert {"observations", "class_learners", "enrolments", "identities", "verdicts"} <= await places(
        court.engine, "learner-one", "4711"
    )

    done = await forget(court.engine, "learner-one")

    assert await places(court.engine, "learner-one", "4711") == set()
    assert (done.deleted["observations"], done.deleted["deliveries"], done.redacted) == (2, 1, 1)


async def test_others_keep_what_was_seen_of_them_and_the_delivery_it_came_with(court: Court) -> None:
    await forget(court.engine, "learner-one")

    async with storage.reading(court.engine) as conn:
        assert (await conn.execute(select(observations.c.participant_id))).scalars().all() == ["learner-two"]
        assert (await conn.execute(select(class_learners.c.learner_id))).scalars().all() == ["learner-two"]
        (body,) = (await conn.execute(select(deliveries.c.body))).scalars()
    first, second = json.loads(body)
    assert (first["who"], second["who"], second["session"]) == ("forgotten", "learner-two", "y")


async def test_the_count_of_verdicts_in_force_follows(court: Court) -> None:
    await forget(court.engine, "learner-one")

    async with storage.reading(court.engine) as conn:
        told = select(func.sum(tallies.c.value)).where(tallies.c.name == "qos_verdicts")
        counted = select(func.count()).select_from(verdicts).where(verdicts.c.current)
        assert (await conn.execute(told)).scalar_one() == (await conn.execute(counted)).scalar_one() == 1


async def test_what_comes_late_does_not_bring_them_back(court: Court) -> None:
    await forget(court.engine, "learner-one")

    late = [
        {"id": "d", "room": "both", "who": "learner-one", "placed": True, "session": "z"},
        {"id": "e", "room": "r", "who": "4711", "session": "z"},
        {"id": "f", "room": "both", "who": "learner-two", "placed": True, "session": "z"},
    ]
    await take(court.engine, "agora", json.dumps(late).encode())
    await read(court.engine)
    async with storage.writing(court.engine) as conn:
        bought = [enrolment("e-one", "learner-one")]
        again = lesson("both", "Mon 19:00", "learner-one", "learner-two", teacher="teacher-x")
        await roster.apply(conn, school([again], enrolments=bought), now=NOW)
    known = [Identity("agora", "4711", "learner-one")]
    await identities.imported(court.engine, known, SetClock(NOW), ACT.actor, is_dry=False)

    assert await places(court.engine, "learner-one") == {"deliveries"}
    await forget(court.engine, "learner-one")
    assert await places(court.engine, "learner-one", "4711") <= {"deliveries"}
    assert "learner-one" not in (await everything(court.engine))["deliveries"]


async def test_a_delivery_that_is_not_read_yet_is_told_of_and_goes_the_next_time(court: Court) -> None:
    late = {"id": "d", "room": "both", "who": "learner-one", "placed": True, "session": "z"}
    await take(court.engine, "agora", json.dumps([late]).encode())

    assert (await forget(court.engine, "learner-one")).waiting == 1
    await read(court.engine)
    done = await forget(court.engine, "learner-one")

    assert done.waiting == 0
    assert await places(court.engine, "learner-one", "4711") == set()


async def test_forgetting_again_changes_nothing_more(court: Court) -> None:
    await forget(court.engine, "learner-one")
    before = await everything(court.engine)

    done = await forget(court.engine, "learner-one")

    after = await everything(court.engine)
    assert sum(done.deleted.values()) == done.redacted == 0
    assert {name for name in after if after[name] != before[name]} == {"audit"}


async def test_it_is_in_the_audit_trail_under_a_name_that_says_nothing(court: Court) -> None:
    await forget(court.engine, "learner-one")

    async with storage.reading(court.engine) as conn:
        entry = (await audit.page(conn))[0]
    assert (entry.act.action, entry.act.reason) == ("forget", "asked by letter")
    assert entry.act.about.startswith("learner-")
    assert "learner-one" not in entry.act.about


async def test_what_was_owed_and_its_proof_stay(engine: AsyncEngine) -> None:
    made = Court(engine)
    await made.enrol(dark_life())
    await made.observe(dark_life().observations, FILED)
    await send_due(engine, FakeGateway(), FILED)
    await made.report((await made.case()).claims[0].claim_key, "paid", FILED + HOUR)
    money = {name: rows for name, rows in (await everything(engine)).items() if name in _MONEY}

    done = await forget(engine, "u1")

    assert done.cases_kept == 1
    after = await everything(engine)
    assert {name: after[name] for name in _MONEY} == money
    assert await places(engine, "'u1'") == {"cases"}
    async with storage.reading(engine) as conn:
        chain = [one.encode() for one in (await conn.execute(select(bundles.c.body).order_by(bundles.c.seq))).scalars()]
    assert [bundle.verify(data) for data in chain] == [[]] * len(chain)
    assert bundle.verify_chain(chain) == []


async def test_what_is_still_in_play_is_told(engine: AsyncEngine) -> None:
    made = Court(engine)
    await made.enrol(dark_life())
    await made.observe(dark_life().observations, FILED)

    async with storage.reading(engine) as conn:
        assert await forgetting.in_play(conn, "u1", FILED) == ["1 cases that are not settled"]
        assert await forgetting.in_play(conn, "nobody", FILED) == []


async def test_a_class_that_is_not_judged_for_good_is_in_play(court: Court) -> None:
    async with storage.reading(court.engine) as conn:
        assert await forgetting.in_play(conn, "learner-one", FILED) == []
    late = lesson("late", FILED - HOUR, "learner-one")
    async with storage.writing(court.engine) as conn:
        await roster.apply(conn, school([late], enrolments=[]), now=FILED)

    async with storage.reading(court.engine) as conn:
        assert await forgetting.in_play(conn, "learner-one", FILED) == ["1 classes whose verdict is not final"]


async def test_the_command_refuses_what_would_be_lost_and_can_be_forced(
    embedded: AsyncEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Court(embedded)
    await made.enrol(dark_life())
    await made.observe(dark_life().observations, FILED)
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{storage.file_of(embedded)}")
    asked = ["forget", "u1", "--reason", "asked by letter"]

    assert await asyncio.to_thread(main, asked) == 2
    assert "1 cases that are not settled" in capsys.readouterr().err
    async with storage.reading(embedded) as conn:
        assert (await conn.execute(select(func.count()).select_from(verdicts))).scalar_one() == 2

    assert await asyncio.to_thread(main, [*asked, "--force"]) == 0
    assert json.loads(capsys.readouterr().out)["cases_kept"] == 1
    async with storage.reading(embedded) as conn:
        assert (await conn.execute(select(cases.c.state))).scalars().all() == ["filed"]

    assert await asyncio.to_thread(main, [*asked, "--lift"]) == 0
    assert json.loads(capsys.readouterr().out) == {"marks_lifted": 1}


async def test_a_learner_who_comes_back_can_be_known_again(court: Court) -> None:
    await forget(court.engine, "learner-one")
    async with storage.writing(court.engine) as conn:
        assert await tombstones.lift(conn, "learner-one") == 2
        again = lesson("again", "Tue 19:00", "learner-one")
        await roster.apply(conn, school([again], enrolments=[]), now=NOW)

    assert await places(court.engine, "learner-one") == {"class_learners"}


async def test_the_file_of_the_embedded_database_holds_nothing_either(embedded: AsyncEngine) -> None:
    file = storage.file_of(embedded)
    assert file is not None
    seen = lesson("one", "Mon 19:00", "somebody-with-a-name")
    async with storage.writing(embedded) as conn:
        await roster.apply(conn, school([seen], enrolments=[enrolment("e", "somebody-with-a-name")]), now=0)
    body = said("a", at=seen.starts_at, room="one", who="somebody-with-a-name", placed=True)
    await take(embedded, "agora", b"[" + body + b"]")
    await read(embedded)

    await forget(embedded, "somebody-with-a-name")

    parts = [file, *file.parent.glob(f"{file.name}-*")]
    assert not any(b"somebody-with-a-name" in part.read_bytes() for part in parts)


async def test_a_token_in_a_header_is_looked_into(court: Court) -> None:
    token = base64.urlsafe_b64encode(b'{"sub":"learner-one"}').decode().rstrip("=")
    await take(court.engine, "agora", b"[]", headers={"authorization": f"Bearer head.{token}.tail"})
    async with storage.writing(court.engine) as conn:
        await conn.execute(deliveries.update().values(state=READ))

    assert (await forget(court.engine, "learner-one")).deleted["deliveries"] == 2


async def test_a_judgement_that_was_under_way_does_not_bring_them_back(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window was read with the learner in it; what is written of it after they were forgotten has them no more."""
    load = window_book.load

    async def unflushed(_engine: AsyncEngine) -> None:
        """Leave the journal, which cannot be emptied while the window is being read."""

    async def loaded(*given: Any) -> WindowInputs:  # noqa: ANN401 - as load takes them
        found = await load(*given)
        await forget(court.engine, "learner-one")
        return found

    async with storage.writing(court.engine) as conn:
        await conn.execute(windows.update().values(due_at=NOW))
    monkeypatch.setattr(window_book, "load", loaded)
    monkeypatch.setattr(forgetting, "_flushed", unflushed)
    await court.catch_up(NOW)

    assert await places(court.engine, "learner-one") == set()


async def test_an_answer_that_only_lists_them_is_cleaned_of_their_names_at_that_provider(court: Court) -> None:
    """No observation came of it, as of most answers to who is in a room; and it names nobody as the school does."""
    await take(court.engine, "agora-stats", b'{"users":["4711"]}')
    async with storage.writing(court.engine) as conn:
        await conn.execute(deliveries.update().values(state=READ))

    await forget(court.engine, "learner-one")

    assert await places(court.engine, "4711") == set()


async def test_what_nobody_could_read_is_cleaned_and_not_deleted_for_it_may_tell_of_others(court: Court) -> None:
    await take(court.engine, "agora", b'{"new":[{"who":"learner-one"},{"who":"learner-two"}]}')
    async with storage.writing(court.engine) as conn:
        await conn.execute(deliveries.update().where(deliveries.c.state == WAITING).values(state=UNREADABLE))

    await forget(court.engine, "learner-one")

    async with storage.reading(court.engine) as conn:
        is_unreadable = deliveries.c.state == UNREADABLE
        kept = (await conn.execute(select(deliveries.c.body).where(is_unreadable))).scalars().all()
    assert kept == [b'{"new":[{"who":"forgotten"},{"who":"learner-two"}]}']


async def test_what_polls_remember_of_them_goes_too(court: Court) -> None:
    progress = json.dumps({"done": ["x"], "users": {"call": {"4711": "learner-one"}}, "present": {"s": "4711"}})
    poll = row(polls, provider="agora", class_id="both", state="done", progress=progress)
    async with storage.writing(court.engine) as conn:
        await conn.execute(polls.insert(), [poll])

    await forget(court.engine, "learner-one")

    assert await places(court.engine, "learner-one", "4711") == set()
    async with storage.reading(court.engine) as conn:
        kept = json.loads((await conn.execute(select(polls.c.progress))).scalar_one())
    assert kept == {"done": ["x"], "users": {"call": {"forgotten": "forgotten"}}, "present": {"s": "forgotten"}}


async def test_replay_finds_no_difference_where_somebody_was_forgotten(court: Court) -> None:
    await court.enrol(dark_life())
    await court.observe(dark_life().observations, FILED)
    await forget(court.engine, "learner-one")
    await forget(court.engine, "u1")
    await court.catch_up(NOW)

    readers: dict[str, Collector] = {"agora": Lists(SpokenCollector())}  # type: ignore[dict-item]  # it passes on the rest
    found = await replaying.replay(court.engine, readers, Terms(POLICY, on_weekdays), NOW)

    assert found.is_same, found.tables
    assert found.not_rebuilt == 1


async def test_a_roster_that_comes_while_they_are_forgotten_does_not_bring_them_back(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    without, forgetters = tombstones.without, list[asyncio.Task[Forgotten]]()
    given: list[World] = []

    async def filtered(conn: AsyncConnection, listed: World) -> World:
        found = await without(conn, listed)
        given.append(found)
        if len(given) == 2:  # the last look before it is written
            forgetters.append(asyncio.create_task(forget(court.engine, "learner-one")))
            await asyncio.wait(forgetters, timeout=0.5)
        return found

    monkeypatch.setattr(tombstones, "without", filtered)
    async with storage.writing(court.engine) as conn:
        await roster.apply(conn, school([lesson("late", "Tue 19:00", "learner-one")]), now=NOW)
    await forgetters[0]

    assert await places(court.engine, "learner-one") == set()
