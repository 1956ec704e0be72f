"""The pages, over real HTTP, as a browser without script would use them."""

import hashlib
import json
import re
from urllib.parse import quote

import pytest
from claim_parts import FILED, FakeGateway, dark_life, life, send_due
from console_browser import INSIDE, Browser
from rules_school import enrolment, kept_out, lesson
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import outages
from qos_monitor.web.console import overview
from qos_monitor.web.console.paper import age
from rules.span import HOUR, MINUTE, Instant

# --- the pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", INSIDE)
async def test_every_page_says_that_there_is_nothing_where_there_is_nothing(browser: Browser, path: str) -> None:
    await browser.sign_in()

    status, page = await browser.get(path)

    assert status == 200
    assert re.search(r"No outage is open\.|No case\.|None yet\.|>None\.<", page)


async def test_nothing_runs_in_a_page_and_nobody_keeps_or_frames_it(browser: Browser) -> None:
    await browser.sign_in()
    for path in (*INSIDE, "/console/sign-in"):
        async with browser.session.get(browser.url + path, cookies=browser.cookies) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == (
                "no-store",
                "nosniff",
            )
            page = await answer.text()
        assert "<script" not in page
        assert " style=" not in page


async def test_a_case_is_shown_with_its_reason_terms_claims_and_evidence(browser: Browser) -> None:
    await browser.court.enrol(dark_life())
    await browser.court.judge(dark_life())
    await send_due(browser.court.engine, FakeGateway(), FILED)
    key = (await browser.court.case()).case_key
    await browser.sign_in()

    _, listed = await browser.get("/console/cases?kind=refund&state=accepted&learner=u1")
    _, page = await browser.get(f"/console/cases/{key}")

    assert f'href="/console/cases/{key}"' in listed
    for words in (
        "CNY 2800.00",
        "2026-11-10",
        "49.0 h",
        "paid minor",
        "/console/bundles/",
        "filed",
        'href="/console/learners/u1"',
    ):
        assert words in page


async def test_a_bundle_is_handed_out_as_a_file_byte_for_byte(browser: Browser) -> None:
    await browser.court.judge(dark_life())
    await browser.sign_in()
    _, page = await browser.get(f"/console/cases/{await _key(browser)}")
    found = re.search(r"/console/bundles/([0-9a-f]{64})", page)
    assert found is not None

    async with browser.session.get(browser.url + found[0], cookies=browser.cookies) as answer:
        body = await answer.read()

    assert hashlib.sha256(body).hexdigest() == found[1]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="bundle-{found[1][:12]}.json"'


async def test_a_learner_is_looked_up_and_shown_with_a_strip_of_the_last_days(browser: Browser) -> None:
    await browser.court.enrol(dark_life())
    await browser.court.observe(dark_life().observations, FILED)
    await browser.sign_in()

    assert await browser.get("/console/learners?id=u1") == (303, "/console/learners/u1")
    _, page = await browser.get("/console/learners/u1")

    assert page.count('class="v-unable_platform"') == 2
    assert 'class="outage o-owed"' in page
    assert 'href="/console/classes/mon"' in page
    assert "unable platform" in page


async def test_a_class_is_shown_with_the_verdict_of_each_learner(browser: Browser) -> None:
    await browser.court.enrol(dark_life())
    await browser.court.observe(dark_life().observations, FILED)
    await browser.sign_in()

    status, page = await browser.get("/console/classes/mon")

    assert status == 200
    assert 'href="/console/learners/u1"' in page
    assert "unable platform" in page
    assert "100 %" in page


async def test_a_stranger_s_text_is_text_in_a_page_and_safe_in_a_link(browser: Browser) -> None:
    name = "<b>u/1?&\"'"
    mon, wed = lesson("mon", "Mon 19:00", name), lesson("wed", "Wed 19:00", name)
    seen = [*kept_out(mon, name), *kept_out(wed, name)]
    dossier = life([mon, wed], seen, [enrolment(who=name)], learner_id=name)
    await browser.court.enrol(dossier)
    await browser.court.observe(dossier.observations, FILED)
    await browser.sign_in()

    _, to = await browser.get(f"/console/learners?id={quote(name, safe='')}")
    status, page = await browser.get(to)

    assert (status, "<b>u/1" in page, "&lt;b&gt;u/1" in page) == (200, False, True)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/console/cases/x", 404, "There is no case of that key."),
        ("/console/learners/x", 404, "Nobody of that id is on the roster."),
        ("/console/bundles/x", 404, "There is no bundle of that hash."),
        ("/console/classes/x", 404, "There is no class of that id."),
        ("/console/cases?state=sleeping", 422, "state must be one of"),
        ("/console/learners?id=", 422, "Whom?"),
    ],
)
async def test_what_is_not_there_is_said_in_words(browser: Browser, path: str, status: int, words: str) -> None:
    await browser.sign_in()

    answered, page = await browser.get(path)

    assert (answered, words in page) == (status, True)


@pytest.mark.parametrize("after", ["", "x", "1", ".u1", "9" * 20 + ".u1", "5.u1"])
def test_a_place_in_a_list_is_read_or_left_alone(after: str) -> None:
    assert overview.read_place(after) == (overview.Place(5, "u1") if after == "5.u1" else None)


def _outage(learner_id: str, starts_at: Instant) -> dict[str, object]:
    """Make a row of an open outage, as folding writes it."""
    body = {"domains": ["provider:agora"], "look_again_at": None}
    return {
        "learner_id": learner_id,
        "starts_at": starts_at,
        "ends_at": starts_at + HOUR,
        "answer": "not_yet",
        "domains": "|provider:agora|",
        "body": json.dumps(body),
        "projected_minor": 0,
    }


async def test_open_outages_are_paged_oldest_first(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        await conn.execute(outages.insert(), [_outage(f"u{number}", FILED - number % 3 * HOUR) for number in range(5)])
        await conn.execute(outages.insert(), _outage("settled", FILED) | {"answer": "owed"})

    seen: list[object] = []
    after: overview.Place | None = None
    async with storage.reading(engine) as conn:
        while True:
            page, after = await overview.open_outages(conn, after, 2)
            seen += [row["learner_id"] for row in page]
            if after is None:
                break
            after = overview.read_place(after.written())

    assert seen == ["u2", "u1", "u4", "u0", "u3"]


# --- decisions --------------------------------------------------------------------------------------------------


async def _key(browser: Browser) -> str:
    return (await browser.court.case()).case_key


async def test_what_the_breaker_stopped_waits_on_the_first_page_and_is_released_under_the_visitor_s_name(
    stopped: Browser,
) -> None:
    key = await _key(stopped)
    assert "stopped by the breaker" in (await stopped.get("/console/"))[1]

    answer = await stopped.post(
        f"/console/cases/{key}/decision", seal=await stopped.seal(key), decision="release", reason="It was looked at."
    )

    assert answer == (303, f"/console/cases/{key}")
    _, page = await stopped.get(f"/console/cases/{key}")
    assert "<td>Li Wei</td>" in page
    assert (await stopped.court.case()).state == "filed"
    assert "Nothing. Whatever is owed is on its way." in (await stopped.get("/console/"))[1]


@pytest.mark.parametrize("seal", ["", "0" * 64, "é"])
async def test_a_form_of_somebody_else_s_page_decides_nothing(stopped: Browser, seal: str) -> None:
    key = await _key(stopped)

    status, page = await stopped.post(f"/console/cases/{key}/decision", seal=seal, decision="release", reason="x")

    assert (status, "not of your visit" in page) == (403, True)
    assert (await stopped.court.case()).state == "candidate"


async def test_a_stranger_decides_nothing(stopped: Browser) -> None:
    key = await _key(stopped)
    seal, stopped.cookies = await stopped.seal(key), {}

    status, page = await stopped.post(f"/console/cases/{key}/decision", seal=seal, decision="release", reason="x")

    assert (status, "Sign in" in page) == (200, True)
    assert (await stopped.court.case()).state == "candidate"


async def test_a_withdrawal_without_the_record_it_rests_on_is_refused_on_the_page(stopped: Browser) -> None:
    key = await _key(stopped)
    path, seal = f"/console/cases/{key}/decision", await stopped.seal(key)

    status, page = await stopped.post(path, seal=seal, decision="withdraw", reason="No.")
    assert (status, "evidence is required for a withdrawal" in page) == (422, True)

    assert (await stopped.post(path, seal=seal, decision="withdraw", reason="No.", reference="log 7"))[0] == 303
    assert (await stopped.court.case()).state == "withdrawn"

    status, page = await stopped.post(path, seal=seal, decision="withdraw", reason="No.", reference="log 7")
    assert (status, 'role="alert"' in page) == (409, True)


@pytest.mark.parametrize(
    ("passed", "written"), [(0, "0 h 00 min"), (48 * HOUR - MINUTE, "47 h 59 min"), (96 * HOUR, "4 d 0 h")]
)
def test_an_age_is_written_in_the_two_units_that_matter(passed: Instant, written: str) -> None:
    assert age(FILED, FILED - passed) == written
