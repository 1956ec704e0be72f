"""Texts of strangers on the pages: of a roster, a provider, the refund system, a person who decides."""

from html.parser import HTMLParser
from urllib.parse import quote

from claim_parts import FILED, FakeGateway, life, send_due
from console_browser import Browser
from rules_school import enrolment, kept_out, lesson
from sqlalchemy import update

from qos_monitor.claims.gateway import Refused
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import case_transitions

EVIL = "'\"><img src=x onerror=alert(1)><script>alert(1)</script><svg onload=alert(1)>{{7*7}}{%raw%}&lt;"
ALLOWED = {
    *("html", "head", "meta", "title", "link", "body", "header", "a", "nav", "form", "input", "button", "main"),
    *("h1", "h2", "p", "span", "b", "code", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "footer"),
    *(
        "label",
        "textarea",
        "select",
        "option",
        "svg",
        "rect",
        "line",
        "text",
        "section",
        "ul",
        "ol",
        "li",
        "small",
        "div",
    ),
}


class Marks(HTMLParser):
    """Collects tags, and attributes that would run something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Hold one tag against what templates write."""
        self.tags.add(tag)
        for name, value in attrs:
            leads = (value or "").strip().lower()
            if name.startswith("on") or name == "style" or leads.startswith(("javascript:", "data:text")):
                self.wrong.append(f"{tag} {name}")


async def test_what_strangers_wrote_is_never_markup_on_any_page(browser: Browser) -> None:
    learner = EVIL[:180]
    mon, wed = lesson("mon", "Mon 19:00", learner), lesson("wed", "Wed 19:00", learner)
    seen = [*kept_out(mon, learner), *kept_out(wed, learner)]
    dossier = life([mon, wed], seen, [enrolment(who=learner)], learner_id=learner)
    await browser.court.enrol(dossier)
    await browser.court.observe(dossier.observations, FILED)
    gateway = FakeGateway()
    gateway.answers.append(Refused(f"422 {EVIL}"))
    await send_due(browser.court.engine, gateway, FILED)
    async with storage.writing(browser.court.engine) as conn:
        await conn.execute(update(case_transitions).values(reason=EVIL, actor=EVIL[:100]))
    name = EVIL[:90]
    assert (await browser.sign_in(name=name))[0] == 303
    (case,) = await browser.court.cases("refund", learner)
    paths = [
        "/console/",
        "/console/outages",
        "/console/cases",
        f"/console/cases?learner={quote(learner, safe='')}",
        "/console/claims",
        "/console/audit",
        f"/console/cases/{case.case_key}",
        f"/console/learners/{quote(learner, safe='')}",
        "/console/classes/mon",
        f"/console/cases/{quote(EVIL, safe='')}",
        f"/console/cases?state={quote(EVIL, safe='')}",
        f"/console/sign-in?to={quote('/console/' + EVIL, safe='')}",
    ]

    for path in paths:
        status, page = await browser.get(path)
        marks = Marks()
        marks.feed(page)
        assert status in {200, 404, 422}, path
        assert marks.tags - ALLOWED == set(), path
        assert marks.wrong == [], path
        assert "49{%raw" not in page, path
    _, trail = await browser.get("/console/audit")
    assert "&lt;img src=x onerror" in trail
    assert (await browser.get(f"/console/learners/{quote(learner, safe='')}"))[0] == 200
