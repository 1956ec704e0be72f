"""The way into the console: keys, cookies, and what each scope may."""

import re
from urllib.parse import quote

import pytest
from claim_parts import FILED, Court
from console_browser import INSIDE, Browser, browsed
from gates import SOMEBODY, door_of
from service_parts import TOKEN, SetClock
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access import audit, keys
from qos_monitor.access.scopes import Scope
from qos_monitor.storage import engine as storage
from qos_monitor.storage.access_tables import visits
from qos_monitor.web.console.keeper import STAYS, Keeper

# --- the way in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*INSIDE, "/console/cases/x", "/console/learners/u1", "/console/classes/c?a=b&c=d"])
async def test_a_stranger_is_shown_the_way_in_and_comes_back_to_where_they_wanted_to_go(
    browser: Browser, path: str
) -> None:
    status, to = await browser.get(path)
    assert (status, to) == (303, f"/console/sign-in?to={quote(path, safe='')}")

    _, page = await browser.get(to)
    assert f'name="to" value="{path.replace("&", "&amp;")}"' in page

    assert await browser.sign_in(to=path) == (303, path)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "é" * 20])
async def test_the_wrong_token_lets_nobody_in(browser: Browser, token: str) -> None:
    status, page = await browser.sign_in(token=token)

    assert (status, "This is not a key that may see cases." in page) == (403, True)
    assert browser.cookies == {}


@pytest.mark.parametrize("name", ["", " \t", "n" * 101, "a\0b"])
async def test_a_visitor_has_a_name_for_decisions_are_kept_under_it(browser: Browser, name: str) -> None:
    status, page = await browser.sign_in(name=name)

    assert (status, "A name of at most 100 characters is wanted" in page) == (403, True)


@pytest.mark.parametrize(
    "to",
    [
        *("https://elsewhere.example/", "//elsewhere.example", "/v1/cases", "/console/\\x", "/console/\r\nX: y", ""),
        *("/console/../v1/cases", "/console/x/%2e%2E/../v1/cases"),
    ],
)
async def test_signing_in_leads_nowhere_else(browser: Browser, to: str) -> None:
    assert await browser.sign_in(to=to) == (303, "/console/")


async def test_a_visit_ends_after_twelve_hours_and_when_it_is_left(browser: Browser) -> None:
    await browser.sign_in()
    browser.clock.at = FILED + STAYS - 1
    assert (await browser.get("/console/"))[0] == 200

    browser.clock.at = FILED + STAYS
    assert (await browser.get("/console/"))[0] == 303

    browser.clock.at = FILED
    assert await browser.post("/console/sign-out") == (303, "/console/sign-in")
    assert (await browser.get("/console/"))[0] == 303


async def test_signing_out_is_on_the_trail_once(browser: Browser) -> None:
    await browser.sign_in()
    cookies = dict(browser.cookies)
    for _ in range(2):
        browser.cookies.update(cookies)
        assert await browser.post("/console/sign-out") == (303, "/console/sign-in")

    async with storage.reading(browser.court.engine) as conn:
        acts = [entry.act for entry in await audit.page(conn)]

    assert [(act.action, act.about, act.reason) for act in acts] == [
        ("console.left", "console", "signed out"),
        ("console.entered", "console", "signed in"),
    ]
    assert acts[0].actor == acts[1].actor


async def test_without_a_token_configured_only_keys_let_people_in(engine: AsyncEngine) -> None:
    async for browser in browsed(engine, Court(engine), token=None):
        assert (await browser.sign_in())[0] == 403
        assert (await browser.sign_in(token=""))[0] == 403
        assert (await browser.sign_in(token=await browser.key(Scope.CASES_READ)))[0] == 303
        assert (await browser.get("/console/"))[0] == 200


async def test_a_key_without_the_scope_lets_nobody_in(browser: Browser) -> None:
    assert (await browser.sign_in(token=await browser.key(Scope.ROSTER, Scope.CASES_DECIDE)))[0] == 403


async def test_a_visit_ends_with_the_key_it_was_begun_with(browser: Browser) -> None:
    text = await browser.key(Scope.CASES_READ)
    await browser.sign_in(token=text)
    assert (await browser.get("/console/"))[0] == 200

    key_id, _ = keys.read(text) or ("", "")
    async with storage.writing(browser.court.engine) as conn:
        await keys.revoke(conn, key_id, "left the school", SOMEBODY, FILED)
    browser.door.forget()

    assert (await browser.get("/console/"))[0] == 303


async def test_a_cookie_is_believed_only_as_it_was_given_and_only_with_the_token_of_its_visit(
    engine: AsyncEngine,
) -> None:
    clock = SetClock(FILED)
    door = door_of(engine, clock)
    caller = await door.believed(TOKEN)
    assert caller is not None
    cookie = await Keeper(engine, clock, door).let_in(TOKEN, caller, "李 Wei")

    found = await Keeper(engine, clock, door).visitor(cookie)
    assert found is not None
    assert (found.name, found.until, found.decides) == ("李 Wei", FILED + STAYS, True)
    assert await Keeper(engine, clock, door_of(engine, clock, TOKEN + "x")).visitor(cookie) is None
    for place in range(len(cookie)):
        other = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert await Keeper(engine, clock, door).visitor(other) is None


async def test_the_database_holds_no_cookie(browser: Browser) -> None:
    await browser.sign_in()

    async with storage.reading(browser.court.engine) as conn:
        (visit,) = [str(tuple(row)) for row in await conn.execute(select(visits))]

    assert browser.cookies["qos_console"] not in visit
    assert TOKEN not in visit


@pytest.mark.parametrize("cookie", ["x", "é" * 60, "\ud800", "1.2", "a" * 5000])
async def test_any_cookie_is_answered_without_a_failure(engine: AsyncEngine, cookie: str) -> None:
    assert await Keeper(engine, SetClock(FILED), door_of(engine, SetClock(FILED))).visitor(cookie) is None


def test_a_seal_belongs_to_one_visit() -> None:
    assert Keeper.seal("mine") == Keeper.seal("mine")
    assert Keeper.seal("mine") != Keeper.seal("theirs")


async def test_who_only_sees_is_offered_no_decision_and_cannot_send_one(stopped: Browser) -> None:
    key = (await stopped.court.case()).case_key
    seal = await stopped.seal(key)
    await stopped.sign_in(token=await stopped.key(Scope.CASES_READ))

    _, page = await stopped.get(f"/console/cases/{key}")
    assert ("decides nothing" in page, "<textarea" in page) == (True, False)

    own = Keeper.seal(stopped.cookies["qos_console"])
    for word in (seal, own):
        status, _ = await stopped.post(
            f"/console/cases/{key}/decision", seal=word, decision="release", reason="Yes.", reference=""
        )
        assert status == 403
    assert (await stopped.court.case()).state == "candidate"


async def test_signing_in_and_deciding_are_on_the_trail_with_the_key_that_was_shown(stopped: Browser) -> None:
    await stopped.sign_in(token=await stopped.key(Scope.CASES_READ, Scope.CASES_DECIDE))
    key = (await stopped.court.case()).case_key
    await stopped.post(
        f"/console/cases/{key}/decision", seal=await stopped.seal(key), decision="release", reason="Looked <at>."
    )

    _, page = await stopped.get("/console/audit")

    assert "case.release" in page
    assert f"case {key}" in page
    assert "Looked &lt;at&gt;." in page
    assert re.search(r"console, key desk \([0-9a-f]{12}\)", page)
    assert page.count("console.entered") == 2
