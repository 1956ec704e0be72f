"""A person in a real browser: signs in, finds what waits, reads the case, lets it go."""

from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from browser import chromium, page
from claim_parts import FILED, Court, dark_life
from gates import gate_of
from service_parts import TOKEN, SetClock
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.web.console import pages
from qos_monitor.web.console.pages import ConsoleOptions


async def test_a_person_signs_in_looks_and_releases_what_the_breaker_stopped(
    embedded: AsyncEngine, tmp_path: Path
) -> None:
    court = Court(embedded, limits=BreakerLimits(0))
    await court.enrol(dark_life())
    await court.observe(dark_life().observations, FILED)
    app = web.Application()
    options = ConsoleOptions(gate_of(embedded, SetClock(FILED)), court.options, is_secure=False)
    app.add_routes(pages.routes(embedded, SetClock(FILED), court.policy, options))

    async with (
        TestServer(app) as server,
        chromium(tmp_path) as browser,
        page(browser, str(server.make_url("/console/cases?kind=refund"))) as shown,
    ):
        await shown.get_by_label("Your name").fill("Li Wei")
        await shown.get_by_label("The cases token").fill(TOKEN)
        await shown.get_by_role("button", name="Sign in").click()
        await shown.get_by_role("row", name="refund").get_by_role("link").first.click()
        await shown.get_by_label("Why").fill("It was looked at.")
        await shown.get_by_role("button", name="Release").click()
        await shown.get_by_role("cell", name="Li Wei").first.wait_for()

        await shown.get_by_placeholder("learner id").fill("u1")
        await shown.get_by_role("button", name="Look up").click()
        await shown.get_by_role("heading", name="Learner u1").wait_for()
        boxes = shown.locator("svg.strip rect")
        assert [await boxes.nth(number).get_attribute("class") for number in range(await boxes.count())] == [
            "v-unable_platform",
            "v-unable_platform",
            "outage o-owed",
        ]
        drawn = await boxes.last.bounding_box()
        assert drawn is not None
        assert drawn["width"] > 40  # two days of fourteen, on a screen of any usual width

    assert (await court.case("refund")).state == "filed"
