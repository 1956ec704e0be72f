"""Keys: made once, believed by their secret, ended by a person, and never readable in the database."""

import asyncio
from collections.abc import Mapping

import pytest
from gates import SOMEBODY, door_of
from service_parts import MONDAY, TOKEN, SetClock
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor.access import audit, doorkeeper, keys
from qos_monitor.access.buckets import Buckets
from qos_monitor.access.doorkeeper import KNOWN_S, Caller, Doorkeeper, TooOften
from qos_monitor.access.keys import Key
from qos_monitor.access.scopes import Scope, StaticKey, static_keys
from qos_monitor.errors import InputError
from qos_monitor.settings import load
from qos_monitor.storage import engine as storage
from qos_monitor.storage.access_tables import api_keys
from rules.span import DAY, MINUTE, Instant

ADDRESS = "192.0.2.7"


async def made(engine: AsyncEngine, *scopes: Scope, ends: Instant | None = None, name: str = "desk") -> tuple[Key, str]:
    async with storage.writing(engine) as conn:
        return await keys.create(conn, name, scopes or (Scope.ROSTER,), ends, (SOMEBODY, MONDAY))


async def test_a_key_opens_what_it_was_made_for_under_its_name(engine: AsyncEngine) -> None:
    key, written = await made(engine, Scope.ROSTER, Scope.CASES_READ)

    caller = await door_of(engine, SetClock(), None).admit(written, ADDRESS)

    assert caller == Caller(key.id, "desk", frozenset({Scope.ROSTER, Scope.CASES_READ}))


async def test_of_the_secret_only_the_hash_is_stored_and_no_two_keys_are_alike(engine: AsyncEngine) -> None:
    _, first = await made(engine)
    _, second = await made(engine)
    shown = keys.read(first)
    assert shown is not None

    async with storage.reading(engine) as conn:
        stored = str((await conn.execute(select(api_keys))).all())
        trail = str((await conn.execute(text("SELECT * FROM audit"))).all())

    assert first != second
    assert len(shown[1]) == 43  # 256 bits in base64
    assert shown[1] not in stored
    assert keys.hashed(shown[1]) in stored
    assert shown[1] not in trail


async def test_a_key_with_any_character_changed_opens_nothing(engine: AsyncEngine) -> None:
    _, written = await made(engine)
    door = door_of(engine, SetClock(), None)

    for place in range(len(written)):
        other = written[:place] + ("A" if written[place] != "A" else "B") + written[place + 1 :]
        assert await door.believed(other) is None
    for other in ("", "qos", "qos_", "qos__", "qos_x", written[:-1], written + "x", f" {written}", "\ud800", "é" * 99):
        assert await door.believed(other) is None


async def test_a_key_ends_at_its_instant(engine: AsyncEngine) -> None:
    _, written = await made(engine, ends=MONDAY + DAY)
    clock = SetClock(MONDAY + DAY - 1)
    door = door_of(engine, clock, None)

    assert await door.believed(written) is not None
    clock.at = MONDAY + DAY
    assert await door.believed(written) is None


async def test_a_revoked_key_opens_nothing_as_soon_as_the_database_is_asked_again(engine: AsyncEngine) -> None:
    key, written = await made(engine)
    here, elsewhere = (door_of(engine, SetClock(), None) for _ in range(2))
    assert await here.believed(written) is not None

    async with storage.writing(engine) as conn:
        assert await keys.revoke(conn, key.id, "lost", SOMEBODY, MONDAY)
        assert not await keys.revoke(conn, key.id, "lost again", SOMEBODY, MONDAY)
    here.forget()

    assert await here.believed(written) is None
    assert await elsewhere.believed(written) is None
    async with storage.reading(engine) as conn:
        (listed,) = await keys.listed(conn)
    assert (listed.revoked_at, listed.revoked_why) == (MONDAY, "lost")


def test_what_is_known_of_keys_is_believed_for_seconds_at_most() -> None:
    assert KNOWN_S <= 5


async def test_who_waited_for_a_slow_database_does_not_ask_it_once_more_each(
    embedded: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with storage.writing(embedded) as conn:
        _, text_of_key = await keys.create(conn, "timetable", [Scope.ROSTER], None, (SOMEBODY, MONDAY))
    asked, told = [], keys.standing

    async def slow(conn: AsyncConnection) -> Mapping[str, Key]:
        asked.append(conn)
        await asyncio.sleep(0.6)
        return await told(conn)

    monkeypatch.setattr(keys, "standing", slow)
    monkeypatch.setattr(doorkeeper, "KNOWN_S", 0.5)
    door = door_of(embedded, SetClock())

    callers = await asyncio.gather(*(door.believed(text_of_key) for _ in range(5)))

    assert [caller and caller.name for caller in callers] == ["timetable"] * 5
    assert len(asked) == 1


async def test_a_scope_that_only_a_newer_program_knows_opens_nothing_and_leaves_every_other_key_good(
    engine: AsyncEngine,
) -> None:
    key, written = await made(engine, Scope.ROSTER)
    newer, of_newer = await made(engine, Scope.CASES_READ, name="newer")
    async with storage.writing(engine) as conn:
        for each, scopes in ((key, "roster cases.export"), (newer, "cases.export")):
            await conn.execute(update(api_keys).where(api_keys.c.id == each.id).values(scopes=scopes))
    door = door_of(engine, SetClock(), None)

    assert await door.believed(written) == Caller(key.id, "desk", frozenset({Scope.ROSTER}))
    assert await door.believed(of_newer) == Caller(newer.id, "newer", frozenset())
    async with storage.writing(engine) as conn:
        shown = {one.name: one.as_json()["scopes"] for one in await keys.listed(conn)}
        assert shown == {"desk": ["cases.export", "roster"], "newer": ["cases.export"]}
        assert await keys.revoke(conn, newer.id, "not wanted here", SOMEBODY, MONDAY)


async def test_when_a_key_was_used_is_written_to_the_minute_and_never_set_back(engine: AsyncEngine) -> None:
    _, written = await made(engine)
    clock = SetClock(MONDAY)
    door = door_of(engine, clock, None)
    times = []
    for at in (MONDAY, MONDAY + MINUTE - 1, MONDAY + MINUTE, MONDAY - DAY):
        clock.at = at
        await door.believed(written)
        await door.note_used()
        async with storage.reading(engine) as conn:
            times.append((await keys.listed(conn))[0].last_used_at)

    assert times == [MONDAY, MONDAY, MONDAY + MINUTE, MONDAY + MINUTE]


@pytest.mark.parametrize(
    ("name", "scopes", "ends", "wrong"),
    [
        ("", (Scope.ROSTER,), None, "name"),
        (" x", (Scope.ROSTER,), None, "name"),
        ("a\nb", (Scope.ROSTER,), None, "name"),
        ("n" * 101, (Scope.ROSTER,), None, "name"),
        ("x", (), None, "scope"),
        ("x", (Scope.ROSTER,), MONDAY, "expires"),
    ],
)
async def test_a_key_that_cannot_be_is_refused_with_what_is_wrong(
    embedded: AsyncEngine, name: str, scopes: tuple[Scope, ...], ends: Instant | None, wrong: str
) -> None:
    with pytest.raises(InputError) as caught:
        async with storage.writing(embedded) as conn:
            await keys.create(conn, name, scopes, ends, (SOMEBODY, MONDAY))

    assert [problem.path for problem in caught.value.problems] == [wrong]


async def test_a_key_that_is_not_there_cannot_be_revoked(embedded: AsyncEngine) -> None:
    with pytest.raises(InputError):
        async with storage.writing(embedded) as conn:
            await keys.revoke(conn, "nobody", "why", SOMEBODY, MONDAY)


async def test_making_and_ending_a_key_are_on_the_trail(engine: AsyncEngine) -> None:
    key, _ = await made(engine, Scope.CASES_DECIDE)
    async with storage.writing(engine) as conn:
        await keys.revoke(conn, key.id, "left the school", SOMEBODY, MONDAY)

    async with storage.reading(engine) as conn:
        acts = [entry.act for entry in await audit.page(conn)]

    assert [(act.action, act.about, act.reason) for act in acts] == [
        ("key.revoked", f"key {key.id}", "left the school"),
        ("key.created", f"key {key.id}", "desk: cases.decide, for ever"),
    ]


def test_the_tokens_of_the_settings_are_keys_with_fixed_scopes() -> None:
    tokens = {f"QOS_{name}_TOKEN": f"{name.lower()}-token-of-enough" for name in ("ROSTER", "CASES", "OBSERVATIONS")}

    assert {key.name: set(key.scopes) for key in static_keys(load(tokens))} == {
        "QOS_OBSERVATIONS_TOKEN": {Scope.OBSERVATIONS},
        "QOS_ROSTER_TOKEN": {Scope.ROSTER},
        "QOS_CASES_TOKEN": {Scope.CASES_READ, Scope.CASES_DECIDE},
    }
    assert "token-of-enough" not in repr(static_keys(load(tokens)))


async def test_a_token_that_stands_in_several_settings_may_what_each_of_them_may(embedded: AsyncEngine) -> None:
    given = load({"QOS_ROSTER_TOKEN": TOKEN, "QOS_EVIDENCE_TOKEN": TOKEN, "QOS_CASES_TOKEN": f"{TOKEN}-another"})

    caller = await Doorkeeper(embedded, SetClock(), lambda: static_keys(given)).believed(TOKEN)

    assert caller is not None
    assert caller.scopes == {Scope.ROSTER, Scope.EVIDENCE}
    assert caller.name == "QOS_EVIDENCE_TOKEN, QOS_ROSTER_TOKEN"


async def test_who_comes_too_often_waits_by_key_and_a_guess_never_keeps_a_good_key_out(embedded: AsyncEngine) -> None:
    static = [StaticKey("QOS_TEST_TOKEN", TOKEN, frozenset(Scope))]
    door = Doorkeeper(embedded, SetClock(), lambda: static, Buckets(0.001, 2), Buckets(0.001, 3))

    guesses = [await door.admit("wrong", ADDRESS) for _ in range(4)]
    good = [await door.admit(TOKEN, ADDRESS) for _ in range(3)]

    assert guesses[:3] == [None, None, None]
    assert guesses[3] == TooOften(1000, "address")
    assert [isinstance(one, Caller) for one in good] == [True, True, False]
    assert isinstance(good[2], TooOften)
    assert good[2].of == "key"
