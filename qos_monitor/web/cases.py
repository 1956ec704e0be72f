"""Cases, time lines, bundles, decisions, and what the refund system reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import documents
from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.access.scopes import Scope
from qos_monitor.claims import decision, message, status, views
from qos_monitor.claims.desk import Desk, FilingOptions
from qos_monitor.claims.lifecycle import IllegalMove
from qos_monitor.claims.signing import TOLERANCE_S, NotBelieved, believe
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading, writing
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate, by_api
from qos_monitor.web.paths import ANY_ID
from rules.document import Invalid
from rules.policy import Policy

ALL = "all"
"""In place of a case's key: every case the breaker stopped."""

REPORT_BYTES_MAX: int = 1_048_576
"""Of a report of the refund system; one is some hundred bytes."""


@dataclass(frozen=True, slots=True)
class CasesOptions:
    """What the handlers need of the settings.

    ``status_secrets`` are asked for each time, for they may change while we run; ``status_tolerance_s`` is how far
    the refund system's clock may be from ours.
    """

    gate: Gate
    status_secrets: Callable[[], Sequence[str]]
    filing: FilingOptions
    status_tolerance_s: int = TOLERANCE_S


class Cases:
    """The handlers."""

    def __init__(self, engine: AsyncEngine, clock: Clock, policy: Policy, options: CasesOptions) -> None:
        self._engine = engine
        self._clock = clock
        self._policy = policy
        self._options = options
        self._gate = options.gate

    def routes(self) -> list[web.RouteDef]:
        """Give every route of ours."""
        stored = answers.or_come_again
        return [
            web.get("/v1/cases", stored(self.list)),
            web.get("/v1/cases/{key}", stored(self.show)),
            web.post("/v1/cases/{key}/decision", stored(self.decide)),
            web.get(f"/v1/learners/{ANY_ID}/timeline", stored(self.timeline)),
            web.get("/v1/bundles/{sha256}", stored(self.bundle)),
            web.post("/v1/claims/{key}/status", stored(self.status)),
            web.get("/schema/claim.json", self.schema),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List cases: filters state, kind, learner; ``limit`` and ``cursor`` page through."""
        caller = await self._gate.admit(request, Scope.CASES_READ)
        if isinstance(caller, web.Response):
            return caller
        try:
            wanted = views.read_wanted(request.query)
        except Invalid as invalid:
            return answers.wrong(invalid.problems)
        async with reading(self._engine) as conn:
            return answers.as_json(await views.list_cases(conn, wanted))

    async def show(self, request: web.Request) -> web.Response:
        """Show one case with its transitions, claims and bundles."""
        caller = await self._gate.admit(request, Scope.CASES_READ)
        if isinstance(caller, web.Response):
            return caller
        async with reading(self._engine) as conn:
            found = await views.show_case(conn, request.match_info["key"])
        return answers.refused("there is no case of that key", 404) if found is None else answers.as_json(found)

    async def timeline(self, request: web.Request) -> web.Response:
        """Show a learner's classes with verdicts, outages and cases."""
        caller = await self._gate.admit(request, Scope.CASES_READ)
        if isinstance(caller, web.Response):
            return caller
        async with reading(self._engine) as conn:
            found = await views.timeline(conn, request.match_info["id"])
        return answers.refused("nobody of that id is on the roster", 404) if found is None else answers.as_json(found)

    async def bundle(self, request: web.Request) -> web.Response:
        """Give the exact bytes of an evidence bundle."""
        caller = await self._gate.admit(request, Scope.CASES_READ)
        if isinstance(caller, web.Response):
            return caller
        async with reading(self._engine) as conn:
            body = await views.bundle_body(conn, request.match_info["sha256"])
        if body is None:
            return answers.refused("there is no bundle of that hash", 404)
        return web.Response(body=body.encode(), content_type="application/json")

    async def decide(self, request: web.Request) -> web.Response:
        """Carry out a person's decision: release, or withdraw with a reason and evidence; `all` releases."""
        caller = await self._gate.admit(request, Scope.CASES_DECIDE)
        if isinstance(caller, web.Response):
            return caller
        try:
            wanted = decision.read_decision(documents.decoded(await request.read()))
            return await self._decided(request.match_info["key"], wanted, by_api(caller, wanted.actor))
        except documents.NotJson as error:
            return answers.wrong(error.problems, 400)
        except Invalid as invalid:
            return answers.wrong(invalid.problems)
        except decision.NoSuchCase as error:
            return answers.refused(str(error), 404)
        except IllegalMove as error:
            return answers.refused(str(error), 409)

    async def _decided(self, key: str, wanted: decision.Decision, actor: Actor) -> web.Response:
        async with writing(self._engine) as conn:
            now = self._clock.now()
            desk = Desk(conn, self._policy, self._options.filing, now)
            if key == ALL:
                count = await decision.release_all(desk, wanted)
                act = Act(actor, f"case.{wanted.what}", f"{count} cases", wanted.reason)
                await audit.record(conn, act, now)
                return answers.as_json({"released": count})
            await decision.decide(desk, key, wanted)
            await audit.record(conn, decided(actor, key, wanted), now)
            return answers.as_json(await views.show_case(conn, key))

    async def status(self, request: web.Request) -> web.Response:
        """Take the refund system's report: 401 unsigned, 404 no such claim, 409 an impossible move, 413.

        A repeat, the same bytes under the same `webhook-id`, changes nothing and is answered 200.
        """
        secrets, tolerance_s = self._options.status_secrets(), self._options.status_tolerance_s
        if not secrets:
            return answers.refused("this door is closed: QOS_STATUS_SECRETS is not set", 403)
        body = await request.clone(client_max_size=REPORT_BYTES_MAX).read()  # not an upload: nobody is believed yet
        now = self._clock.now()
        try:
            message_id = believe(secrets, request.headers, body, now, tolerance_s)
            report = status.read_status(documents.decoded(body))
            async with writing(self._engine) as conn:
                told = status.Told(message_id, body, now)
                state = await status.take(conn, request.match_info["key"], report, told)
        except NotBelieved as error:
            return answers.refused(f"the signature is not believed: {error.reason}", 401)
        except documents.NotJson as error:
            return answers.wrong(error.problems, 400)
        except Invalid as invalid:
            return answers.wrong(invalid.problems)
        except status.NoSuchClaim as error:
            return answers.refused(str(error), 404)
        except IllegalMove as error:
            return answers.refused(str(error), 409)
        return answers.as_json({"state": state.value})

    async def schema(self, _request: web.Request) -> web.Response:
        """Publish the JSON Schema of a claim."""
        return web.Response(body=message.schema(), content_type="application/schema+json")


def decided(actor: Actor, key: str, wanted: decision.Decision) -> Act:
    """Word a decision for the audit trail; a withdrawal with the record it rests on."""
    evidence = f" Evidence of grade A: {wanted.evidence}" if wanted.evidence else ""
    return Act(actor, f"case.{wanted.what}", f"case {key}", f"{wanted.reason}{evidence}")


def routes(engine: AsyncEngine, clock: Clock, policy: Policy, options: CasesOptions) -> list[web.RouteDef]:
    """Give the routes for an application."""
    return Cases(engine, clock, policy, options).routes()
