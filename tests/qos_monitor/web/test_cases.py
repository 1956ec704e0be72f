"""Cases, decisions and reports over real HTTP."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from claim_parts import (
    FILED,
    HOUR,
    NEW_SECRET,
    SECRET,
    Court,
    FakeGateway,
    bright_life,
    dark_life,
    life,
    richer,
    send_due,
    states,
)
from gates import gate_of
from rules_school import enrolment, kept_out, lesson, on_weekdays
from service_parts import TOKEN, SetClock
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from qos_monitor.claims import bundle
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.message import schema
from qos_monitor.claims.receiver import report
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from qos_monitor.web.cases import CasesOptions, routes
from rules.judge import judge_learner
from rules.span import SECOND, format_instant

WRONG_SECRET = "whsec_" + base64.b64encode(b"a secret nobody over here knows!").decode()


@dataclass
class Desk:
    """The service's own routes, served; and the court that fills them."""

    session: aiohttp.ClientSession
    url: str
    court: Court
    clock: SetClock

    async def get(self, path: str, token: str | None = TOKEN) -> tuple[int, dict[str, object]]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.session.get(self.url + path, headers=headers) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, object]]:
        async with self.session.post(self.url + path, data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def decide(self, key: str, **said: object) -> tuple[int, dict[str, object]]:
        body = json.dumps({"actor": "Li Wei", "reason": "It was looked at.", **said}).encode()
        return await self.post(f"/v1/cases/{key}/decision", body, Authorization=f"Bearer {TOKEN}")

    async def report(
        self, key: str, status: str, *, secret: str = SECRET, message_id: str | None = None, late_s: int = 0
    ) -> tuple[int, dict[str, object]]:
        """Report as an independent refund system would: signed by the library itself."""
        body = json.dumps({"status": status, "at": format_instant(self.clock.at), "reason": None})
        now = datetime.fromtimestamp(self.clock.at // SECOND - late_s, UTC)
        given = message_id or f"msg-{status}"
        headers = {
            "webhook-id": given,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(given, now, body),
        }
        return await self.post(f"/v1/claims/{key}/status", body.encode(), **headers)

    async def kept(self) -> int:
        stored = select(func.count()).select_from(deliveries).where(deliveries.c.provider == "refund-system")
        async with storage.reading(self.court.engine) as conn:
            return int((await conn.execute(stored)).scalar_one())

    async def accepted(self) -> str:
        """File the refund and have it accepted; give its key."""
        await self.court.judge(dark_life())
        await send_due(self.court.engine, FakeGateway(), FILED)
        return (await self.court.case()).case_key


@pytest.fixture
async def desk(engine: AsyncEngine) -> AsyncIterator[Desk]:
    court, clock = Court(engine), SetClock(FILED)
    options = CasesOptions(gate_of(engine, clock), lambda: [NEW_SECRET, SECRET], court.options)
    app = web.Application()
    app.add_routes(routes(engine, clock, court.policy, options))
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Desk(session, str(server.make_url("")).rstrip("/"), court, clock)


# --- reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/cases", "/v1/cases/x", "/v1/learners/u1/timeline", f"/v1/bundles/{'0' * 64}"])
@pytest.mark.parametrize("token", [None, "wrong", TOKEN + "x", "é" * 20])
async def test_nothing_is_told_without_the_token(desk: Desk, path: str, token: str | None) -> None:
    status, told = await desk.get(path, token)

    assert (status, told) == (401, {"errors": [{"path": "", "message": "the bearer key is missing or wrong"}]})


async def test_without_a_token_or_a_secret_configured_the_doors_are_closed(engine: AsyncEngine) -> None:
    app = web.Application()
    options = CasesOptions(gate_of(engine, SetClock(), None), list, Court(engine).options)
    app.add_routes(routes(engine, SetClock(), Court(engine).policy, options))
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        assert (await session.get("/v1/cases")).status == 401
        assert (await session.post("/v1/claims/x/status", data=b"{}")).status == 403


async def test_a_case_is_shown_with_its_moves_its_claims_and_its_proof(desk: Desk) -> None:
    key = await desk.accepted()

    status, told = await desk.get(f"/v1/cases/{key}")

    assert (status, told["state"], told["amount_minor"]) == (200, "accepted", 280_000)
    assert told["due_target"] == "2026-11-10"
    moves, claims, bundles = told["transitions"], told["claims"], told["bundles"]
    assert isinstance(moves, list)
    assert isinstance(claims, list)
    assert isinstance(bundles, list)
    assert [(move["from"], move["to"], move["actor"]) for move in moves] == [
        (None, "candidate", "judge"),
        ("candidate", "filed", "judge"),
        ("filed", "accepted", "relay"),
    ]
    assert (claims[0]["claim_key"], claims[0]["state"], claims[0]["message"]["amount_minor"]) == (
        key,
        "accepted",
        280_000,
    )
    assert claims[0]["message"]["evidence"]["sha256"] == bundles[0]["sha256"]


async def test_a_bundle_is_given_byte_for_byte(desk: Desk) -> None:
    key = await desk.accepted()
    message = json.loads((await desk.court.case()).claims[0].body)
    sha256 = message["evidence"]["sha256"]

    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with desk.session.get(f"{desk.url}/v1/bundles/{sha256}", headers=headers) as answer:
        data = await answer.read()

    assert hashlib.sha256(data).hexdigest() == sha256
    assert bundle.verify(data) == []
    assert key in data.decode()


async def test_a_time_line_has_the_classes_with_their_verdicts_the_outages_and_the_cases(desk: Desk) -> None:
    await desk.court.enrol(dark_life())
    await desk.court.observe(dark_life().observations, FILED)
    found = judge_learner(dark_life(), FILED, desk.court.policy, on_weekdays)

    status, told = await desk.get("/v1/learners/u1/timeline")

    assert status == 200
    assert isinstance(told["classes"], list)
    judged = [record.as_verdict_json(firm=True) for record in found.records]
    assert [row["verdict"] for row in told["classes"]] == json.loads(json.dumps(judged))
    assert [row["class_id"] for row in told["classes"]] == ["mon", "wed"]
    assert told["outages"] == [outage.as_json() for outage in found.outages]
    assert isinstance(told["cases"], list)
    assert [case["kind"] for case in told["cases"]] == ["refund"]


@pytest.mark.parametrize("path", ["/v1/cases/nothing", "/v1/learners/nobody/timeline", "/v1/bundles/nothing"])
async def test_what_is_not_there_is_404_in_words(desk: Desk, path: str) -> None:
    status, told = await desk.get(path)

    assert status == 404
    assert list(told) == ["errors"]


async def test_cases_are_paged_and_filtered(desk: Desk) -> None:
    for index in range(5):
        name = f"u{index}"
        tue = lesson("tue", "Tue 19:00", name)
        dossier = life([tue], kept_out(tue, name), [enrolment(f"e{index}", name)], learner_id=name)
        await desk.court.judge(dossier, FILED + index)

    seen: list[object] = []
    path = "/v1/cases?limit=2&kind=compensation&state=filed"
    for _ in range(3):
        status, told = await desk.get(path)
        assert status == 200
        page = told["cases"]
        assert isinstance(page, list)
        seen += [case["learner_id"] for case in page]
        if told["next"] is None:
            break
        path = f"/v1/cases?limit=2&kind=compensation&state=filed&cursor={told['next']}"

    assert seen == ["u0", "u1", "u2", "u3", "u4"]
    _, alone = await desk.get("/v1/cases?learner=u3")
    assert isinstance(alone["cases"], list)
    assert [case["learner_id"] for case in alone["cases"]] == ["u3"]
    assert (await desk.get("/v1/cases?state=paid"))[1] == {"cases": [], "next": None}


@pytest.mark.parametrize(
    ("query", "path"),
    [("state=lost", "state"), ("kind=gift", "kind"), ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"),
     ("cursor=!!!", "cursor"), ("colour=red", "colour")],
)  # fmt: skip
async def test_a_filter_that_makes_no_sense_is_named(desk: Desk, query: str, path: str) -> None:
    status, told = await desk.get(f"/v1/cases?{query}")

    assert status == 422
    assert isinstance(told["errors"], list)
    assert [error["path"] for error in told["errors"]] == [path]


async def test_the_schema_is_public(desk: Desk) -> None:
    async with desk.session.get(f"{desk.url}/schema/claim.json") as answer:
        assert (answer.status, await answer.read()) == (200, schema())


# --- deciding ---------------------------------------------------------------------------------------------------


async def test_a_person_releases_what_the_breaker_stopped(desk: Desk) -> None:
    desk.court.limits = BreakerLimits(claims_min=0)
    await desk.court.judge(dark_life())
    key = (await desk.court.case()).case_key

    status, told = await desk.decide(key, decision="release")

    assert (status, told["state"]) == (200, "filed")
    assert states(await desk.court.case()) == ["filed", "1 refund ready"]


async def test_all_are_released_at_once_under_the_name_all(desk: Desk) -> None:
    desk.court.limits = BreakerLimits(claims_min=0)
    await desk.court.judge(dark_life())

    assert await desk.decide("all", decision="release") == (200, {"released": 1})


async def test_a_withdrawal_without_proof_is_refused_with_what_is_wanted(desk: Desk) -> None:
    key = await desk.accepted()
    await desk.court.judge(bright_life(), FILED + HOUR)

    status, told = await desk.decide(key, decision="withdraw")

    assert status == 422
    assert told["errors"] == [
        {"path": "evidence", "message": 'is required for a withdrawal: {"grade": "A", "reference": "…"}'}
    ]
    assert states(await desk.court.case()) == ["held", "1 refund accepted"]


async def test_a_withdrawal_with_proof_is_carried_out(desk: Desk) -> None:
    key = await desk.accepted()
    await desk.court.judge(bright_life(), FILED + HOUR)

    status, told = await desk.decide(key, decision="withdraw", evidence={"grade": "A", "reference": "sfu log"})

    assert (status, told["state"]) == (200, "withdrawn")


async def test_a_decision_that_cannot_be_is_409_with_words(desk: Desk) -> None:
    key = await desk.accepted()

    status, told = await desk.decide(key, decision="withdraw", evidence={"grade": "A", "reference": "sfu log"})

    assert status == 409
    assert told["errors"] == [
        {"path": "", "message": "a case that is accepted cannot be withdrawn; one that is held or a candidate can"}
    ]


async def test_a_decision_needs_the_token_json_and_a_case(desk: Desk) -> None:
    assert (await desk.post("/v1/cases/x/decision", b"{}"))[0] == 401
    right = f"Bearer {TOKEN}"
    assert (await desk.post("/v1/cases/x/decision", b"{", Authorization=right))[0] == 400
    assert (await desk.post("/v1/cases/x/decision", b"[" * 50_000, Authorization=right))[0] == 400
    assert (await desk.decide("0" * 64, decision="release"))[0] == 404


# --- what the refund system reports -----------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [SECRET, NEW_SECRET])
async def test_a_report_signed_with_any_live_secret_is_believed(desk: Desk, secret: str) -> None:
    key = await desk.accepted()

    assert await desk.report(key, "paid", secret=secret) == (200, {"state": "paid"})
    assert states(await desk.court.case()) == ["paid", "1 refund paid"]


async def test_our_own_receivers_report_is_believed_too(desk: Desk) -> None:
    key = await desk.accepted()
    url = f"{desk.url}/v1/claims/{key}/status"

    assert await report(desk.session, url, [SECRET], {"status": "paid"}, FILED) == 200


@pytest.mark.parametrize("late_s", [-301, 301])
async def test_a_report_more_than_five_minutes_off_is_not_believed(desk: Desk, late_s: int) -> None:
    key = await desk.accepted()

    assert (await desk.report(key, "paid", late_s=late_s))[0] == 401
    assert (await desk.report(key, "paid", late_s=late_s - (1 if late_s > 0 else -1)))[0] == 200


async def test_a_report_not_signed_by_them_is_not_believed_and_not_read(desk: Desk) -> None:
    key = await desk.accepted()

    assert (await desk.report(key, "paid", secret=WRONG_SECRET))[0] == 401
    assert (await desk.post(f"/v1/claims/{key}/status", b"{"))[0] == 401
    for odd in ("", "v1", "v1,", "v1,é", "v2,abc", "v1,!!!!", " , ,"):
        headers = {"webhook-id": "m", "webhook-timestamp": str(FILED // SECOND), "webhook-signature": odd}
        assert (await desk.post(f"/v1/claims/{key}/status", b"{}", **headers))[0] == 401
    for stamp in ("", "x", "9" * 30, "-1", "1e9"):
        headers = {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": "v1,abcd"}
        assert (await desk.post(f"/v1/claims/{key}/status", b"{}", **headers))[0] == 401
    assert states(await desk.court.case()) == ["accepted", "1 refund accepted"]


async def test_a_repeat_changes_nothing_and_is_answered_alike(desk: Desk) -> None:
    key = await desk.accepted()
    await desk.report(key, "accepted", message_id="first")
    await desk.report(key, "paid", message_id="second")

    assert await desk.report(key, "accepted", message_id="first") == (200, {"state": "paid"})
    assert await desk.report(key, "paid", message_id="second") == (200, {"state": "paid"})

    assert await desk.kept() == 2


async def test_a_report_that_says_something_else_under_a_known_id_is_a_report_of_its_own(desk: Desk) -> None:
    key = await desk.accepted()

    assert await desk.report(key, "accepted", message_id=key) == (200, {"state": "accepted"})
    assert await desk.report(key, "paid", message_id=key) == (200, {"state": "paid"})

    assert states(await desk.court.case()) == ["paid", "1 refund paid"]
    assert await desk.kept() == 2


async def test_the_same_report_under_the_same_id_about_another_claim_is_a_report_of_its_own(desk: Desk) -> None:
    key = await desk.accepted()
    await desk.court.judge(dark_life(richer()), FILED + HOUR)

    for claim_key in (key, f"{key}-2", key, f"{key}-2"):
        assert await desk.report(claim_key, "paid", message_id="one-for-all") == (200, {"state": "paid"})

    assert states(await desk.court.case()) == ["paid", "1 refund paid", "2 supplement paid"]
    assert await desk.kept() == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [("paid", "rejected"), ("paid", "failed"), ("paid", "accepted"), ("rejected", "paid"), ("rejected", "accepted")],
)
async def test_an_impossible_report_is_409_in_words_and_changes_nothing(desk: Desk, before: str, after: str) -> None:
    key = await desk.accepted()
    await desk.report(key, before)

    status, told = await desk.report(key, after)

    assert (status, told) == (
        409, {"errors": [{"path": "", "message": f"a claim that is {before} cannot become {after}"}]},
    )  # fmt: skip
    assert states(await desk.court.case()) == [before, f"1 refund {before}"]


async def test_a_refund_that_fails_after_acceptance_reopens_the_case_and_may_still_be_paid(desk: Desk) -> None:
    key = await desk.accepted()

    await desk.report(key, "failed")
    assert states(await desk.court.case()) == ["filed", "1 refund failed"]
    await desk.report(key, "paid")

    assert states(await desk.court.case()) == ["paid", "1 refund paid"]


async def test_a_report_about_nothing_or_without_sense_is_refused_in_words(desk: Desk) -> None:
    key = await desk.accepted()

    assert (await desk.report("0" * 64, "paid"))[0] == 404
    status, told = await desk.report(key, "perhaps")
    assert status == 422
    assert isinstance(told["errors"], list)
    assert told["errors"][0]["path"] == "status"
