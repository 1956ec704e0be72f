"""Cases, time lines, bundles, decisions, and what the refund system reports."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import documents
from qos_monitor.claims import decision, message, status, views
from qos_monitor.claims.desk import Desk, FilingOptions
from qos_monitor.claims.lifecycle import IllegalMove
from qos_monitor.claims.signing import TOLERANCE_S, NotBelieved, believe
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading, writing
from qos_monitor.web import answers
from rules.document import Invalid
from rules.policy import Policy

ALL = "all"
"""In place of a case's key: every case the breaker stopped."""


@dataclass(frozen=True, slots=True)
class CasesOptions:
    """What the handlers need of the settings; a token of None keeps the doors closed.

    ``status_tolerance_s`` is how far the refund system's clock may be from ours.
    """

    token: str | None
    status_secrets: Sequence[str]
    filing: FilingOptions
    status_tolerance_s: int = TOLERANCE_S


class Cases:
    """The handlers."""

    def __init__(self, engine: AsyncEngine, clock: Clock, policy: Policy, options: CasesOptions) -> None:
        self._engine = engine
        self._clock = clock
        self._policy = policy
        self._options = options

    def routes(self) -> list[web.RouteDef]:
        """Give every route of ours."""
        stored = answers.or_come_again
        return [
            web.get("/v1/cases", stored(self.list)),
            web.get("/v1/cases/{key}", stored(self.show)),
            web.post("/v1/cases/{key}/decision", stored(self.decide)),
            web.get("/v1/learners/{id}/timeline", stored(self.timeline)),
            web.get("/v1/bundles/{sha256}", stored(self.bundle)),
            web.post("/v1/claims/{key}/status", stored(self.status)),
            web.get("/schema/claim.json", self.schema),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List cases: filters state, kind, learner; ``limit`` and ``cursor`` page through."""
        if denial := answers.denied(request, self._options.token):
            return denial
        try:
            wanted = views.read_wanted(request.query)
        except Invalid as invalid:
            return answers.wrong(invalid.problems)
        async with reading(self._engine) as conn:
            return answers.as_json(await views.list_cases(conn, wanted))

    async def show(self, request: web.Request) -> web.Response:
        """Show one case with its transitions, claims and bundles."""
        if denial := answers.denied(request, self._options.token):
            return denial
        async with reading(self._engine) as conn:
            found = await views.show_case(conn, request.match_info["key"])
        return answers.refused("there is no case of that key", 404) if found is None else answers.as_json(found)

    async def timeline(self, request: web.Request) -> web.Response:
        """Show a learner's classes with verdicts, outages and cases."""
        if denial := answers.denied(request, self._options.token):
            return denial
        async with reading(self._engine) as conn:
            found = await views.timeline(conn, request.match_info["id"])
        return answers.refused("nobody of that id is on the roster", 404) if found is None else answers.as_json(found)

    async def bundle(self, request: web.Request) -> web.Response:
        """Give the exact bytes of an evidence bundle."""
        if denial := answers.denied(request, self._options.token):
            return denial
        async with reading(self._engine) as conn:
            body = await views.bundle_body(conn, request.match_info["sha256"])
        if body is None:
            return answers.refused("there is no bundle of that hash", 404)
        return web.Response(body=body.encode(), content_type="application/json")

    async def decide(self, request: web.Request) -> web.Response:
        """Carry out a person's decision: release, or withdraw with a reason and evidence; `all` releases."""
        if denial := answers.denied(request, self._options.token):
            return denial
        try:
            wanted = decision.read_decision(documents.decoded(await request.read()))
            return await self._decided(request.match_info["key"], wanted)
        except documents.NotJson as error:
            return answers.wrong(error.problems, 400)
        except Invalid as invalid:
            return answers.wrong(invalid.problems)
        except decision.NoSuchCase as error:
            return answers.refused(str(error), 404)
        except IllegalMove as error:
            return answers.refused(str(error), 409)

    async def _decided(self, key: str, wanted: decision.Decision) -> web.Response:
        async with writing(self._engine) as conn:
            desk = Desk(conn, self._policy, self._options.filing, self._clock.now())
            if key == ALL:
                return answers.as_json({"released": await decision.release_all(desk, wanted)})
            await decision.decide(desk, key, wanted)
            return answers.as_json(await views.show_case(conn, key))

    async def status(self, request: web.Request) -> web.Response:
        """Take the refund system's report: 401 unsigned, 404 no such claim, 409 an impossible move.

        A repeat, the same bytes under the same `webhook-id`, changes nothing and is answered 200.
        """
        if not self._options.status_secrets:
            return answers.refused("this door is closed: QOS_STATUS_SECRETS is not set", 403)
        body, now = await request.read(), self._clock.now()
        secrets, tolerance_s = self._options.status_secrets, self._options.status_tolerance_s
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


def routes(engine: AsyncEngine, clock: Clock, policy: Policy, options: CasesOptions) -> list[web.RouteDef]:
    """Give the routes for an application."""
    return Cases(engine, clock, policy, options).routes()
