"""What somebody declared is shown, and changes no verdict, no outage and no case."""

import re
import tempfile
from dataclasses import replace

from aiohttp.test_utils import TestClient, TestServer
from claim_parts import FILED, Court, dark_life
from gates import gate_of
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_school import on_weekdays, seen
from rules_strategies import instants, worlds
from service_parts import MONDAY, TOKEN, SetClock
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Sighting
from qos_monitor import incidents, observing
from qos_monitor.claims import views
from qos_monitor.gauges import Gauges, Watched
from qos_monitor.incidents import LOOKS_BACK, paired
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import bundles, claims
from qos_monitor.web import app as web_app
from qos_monitor.web.incidents import Incidents
from rules import policy as policies
from rules.judge import judge
from rules.observation import Observation
from rules.span import DAY, HOUR, MINUTE, Instant
from rules.world import World

AGORA = {"provider": "agora"}


def declared(at: Instant, name: str = "i1", **more: str) -> Observation:
    return _said("incident_declared", at, name, **more)


def cleared(at: Instant, name: str = "i1", **more: str) -> Observation:
    return _said("incident_cleared", at, name, **more)


def _said(kind: str, at: Instant, name: str, source: str = "ops", words: str = "Li Wei: nobody gets in") -> Observation:
    made = seen(kind, at, None, None, source=source, id=f"{name}:{kind}:{at}", domains=AGORA, code=words)
    return replace(made, session=name or None)


def spans(*given_: Observation) -> list[tuple[str | None, int, int | None]]:
    ended = paired(given_)
    return [
        (one.name, (one.declared_at - MONDAY) // HOUR, one.cleared_at and (one.cleared_at - MONDAY) // HOUR)
        for one in ended
    ]


def test_a_declaration_lasts_until_its_all_clear() -> None:
    assert spans(declared(MONDAY)) == [("i1", 0, None)]
    assert spans(cleared(MONDAY + HOUR), declared(MONDAY)) == [("i1", 0, 1)]


def test_one_name_declared_twice_is_one_and_two_names_are_two() -> None:
    twice = [declared(MONDAY), declared(MONDAY + HOUR), cleared(MONDAY + 2 * HOUR)]

    assert spans(*twice) == [("i1", 0, 2)]
    assert spans(*twice, declared(MONDAY + HOUR, "i2")) == [("i2", 1, None), ("i1", 0, 2)]


def test_an_all_clear_for_nothing_is_nothing_and_one_opened_again_is_open_again() -> None:
    assert spans(cleared(MONDAY)) == []
    again = [declared(MONDAY), cleared(MONDAY + HOUR), declared(MONDAY + 2 * HOUR)]
    assert spans(*again) == [("i1", 2, None), ("i1", 0, 1)]


def test_without_a_name_the_domains_tell_which_is_meant() -> None:
    elsewhere = replace(declared(MONDAY, ""), domains={"node": "bj-7"}, id="elsewhere")

    assert spans(declared(MONDAY, ""), elsewhere, cleared(MONDAY + HOUR, "")) == [(None, 0, 1), (None, 0, None)]


async def tell(engine: AsyncEngine, *said: Observation) -> None:
    entries = [Entry(Sighting(replace(one, recorded_at=one.known_at), placed=True), 1) for one in said]
    async with storage.writing(engine) as conn:
        await observing.store(conn, entries, MONDAY)


async def test_open_ones_are_a_gauge_by_provider_and_nobody_elses_name_is_a_label(engine: AsyncEngine) -> None:
    strange = replace(declared(MONDAY, "i3"), domains={"provider": "whoever"}, id="strange")
    await tell(engine, declared(MONDAY), declared(MONDAY, "i2"), cleared(MONDAY, "i2"), strange)
    gauges = Gauges(engine, lambda: {"agora": MONDAY}, Watched(announced=("zoom",)))

    await gauges.refresh(MONDAY + HOUR)

    (family,) = [one for one in gauges.collect() if one.name == "qos_declared_incidents"]
    assert {sample.labels["provider"]: sample.value for sample in family.samples} == {"agora": 1, "other": 1, "zoom": 0}


async def test_what_is_older_than_thirty_days_or_not_yet_is_not_listed(engine: AsyncEngine) -> None:
    await tell(
        engine, declared(MONDAY, "old"), declared(MONDAY + 1, "kept"), declared(MONDAY + LOOKS_BACK + 1, "later")
    )

    async with storage.reading(engine) as conn:
        found = await incidents.declared(conn, MONDAY + LOOKS_BACK)

    assert [one.name for one in found] == ["kept"]


async def test_they_are_listed_for_whoever_may_see_cases(engine: AsyncEngine) -> None:
    await tell(engine, declared(MONDAY), cleared(MONDAY + HOUR), declared(MONDAY + 2 * HOUR, "i2"))
    app = web_app.create([Incidents(engine, SetClock(MONDAY + DAY), gate_of(engine, SetClock(MONDAY + DAY)))], (), 1000)
    bearer = {"Authorization": f"Bearer {TOKEN}"}

    async with TestClient(TestServer(app)) as client:
        refused = await client.get("/v1/incidents")
        listed = await (await client.get("/v1/incidents", headers=bearer)).json()
        still = await (await client.get("/v1/incidents?open=1", headers=bearer)).json()

    assert refused.status == 401
    assert [one["name"] for one in listed["incidents"]] == ["i2", "i1"]
    assert still["incidents"] == [
        {
            "source": "ops",
            "name": "i2",
            "provider": "agora",
            "declared_at": "2026-11-02T13:00:00.000Z",
            "cleared_at": None,
            "words": "Li Wei: nobody gets in",
            "domains": ["provider:agora"],
        }
    ]


async def test_a_case_shows_what_was_announced_during_its_outage_and_nothing_else(engine: AsyncEngine) -> None:
    court = Court(engine)
    await court.enrol(dark_life())
    before = [declared(MONDAY - DAY, "over"), cleared(MONDAY - HOUR, "over")]
    await tell(engine, *before, declared(MONDAY - DAY, "long"), declared(MONDAY + DAY), declared(FILED, "later"))
    await court.observe(dark_life().observations, FILED)

    async with storage.reading(engine) as conn:
        shown = await views.show_case(conn, (await court.case()).case_key)

    assert shown is not None
    assert re.findall(r"'name': '(\w+)'", str(shown["announced"])) == ["i1", "long"]


POLICY = policies.default()
ANNOUNCED = st.lists(
    st.builds(
        lambda kind, at, domains: replace(_said(kind, at, f"i{at}"), domains=domains),
        st.sampled_from(["incident_declared", "incident_cleared"]),
        instants(),
        st.sampled_from([{}, AGORA, {"login": "app"}, {"node": "bj-7"}, {"network": "telecom-guangdong"}]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150)
@given(world=worlds(), announced=ANNOUNCED, as_of=instants())
def test_announcements_change_nothing_in_any_judgement(
    world: World, announced: list[Observation], as_of: Instant
) -> None:
    without = judge(world, as_of, POLICY, on_weekdays)

    told = replace(world, observations=(*world.observations, *announced))

    assert judge(told, as_of, POLICY, on_weekdays).as_json() == without.as_json()


async def filed(engine: AsyncEngine, *said: Observation) -> list[object]:
    """Live through the dark week, with something announced before anybody judged; give every claim and every proof."""
    court = Court(engine)
    await court.enrol(dark_life())
    await tell(engine, *said)
    await court.observe(dark_life().observations, FILED)
    async with storage.reading(engine) as conn:
        asked = (await conn.execute(select(claims.c.body).order_by(claims.c.claim_key))).scalars().all()
        proofs = (await conn.execute(select(bundles.c.body).order_by(bundles.c.seq))).scalars().all()
    return [*asked, *proofs]


async def test_the_service_files_to_the_byte_the_same_with_and_without_them(embedded: AsyncEngine) -> None:
    announced = [declared(MONDAY - DAY, source="agora"), declared(MONDAY, "i2"), cleared(MONDAY + 10 * MINUTE, "i2")]

    with_them = await filed(embedded, *announced)

    with tempfile.TemporaryDirectory() as folder:
        other = storage.create(f"sqlite+aiosqlite:///{folder}/other.sqlite3")
        await storage.migrate(other)
        without = await filed(other)
        await other.dispose()
    assert with_them == without
    assert len(without) > 1
