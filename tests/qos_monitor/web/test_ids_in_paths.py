"""Ids that schools chose: whatever signs are in one, what is known of it is found by it."""

import html
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from claim_parts import FILED, SECRET, Court, life
from console_browser import Browser
from gates import gate_of
from rules_school import enrolment, lesson
from service_parts import TOKEN, SetClock
from yarl import URL

from qos_monitor.web import cases

IDS = ["{3F2504E0-4F89}", "a/b", "a b+c", "{{7*7}}", "a%2Fb", "?#&;=", "\\..\\x", "李"]


@pytest.mark.parametrize("name", IDS)
async def test_whatever_signs_are_in_an_id_its_pages_and_its_time_line_are_found_by_it(
    browser: Browser, name: str
) -> None:
    court = browser.court
    await court.enrol(life([lesson(name, "Mon 19:00", name)], (), [enrolment(who=name)], learner_id=name))
    await browser.sign_in()

    for path in ("/console/learners/", "/console/classes/"):
        status, page = await browser.get(path + quote(name, safe=""))
        assert (status, html.escape(name, quote=False) in page) == (200, True), path

    status, told = await _timeline(court, name)
    assert (status, told["learner_id"]) == (200, name)


async def _timeline(court: Court, name: str) -> tuple[int, dict[str, object]]:
    clock = SetClock(FILED)
    options = cases.CasesOptions(gate_of(court.engine, clock), lambda: [SECRET], court.options)
    app = web.Application()
    app.add_routes(cases.routes(court.engine, clock, court.policy, options))
    async with TestServer(app) as server, aiohttp.ClientSession() as client:
        asked = URL(f"{server.make_url('/v1/learners/')}{quote(name, safe='')}/timeline", encoded=True)
        async with client.get(asked, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            return answer.status, await answer.json()
