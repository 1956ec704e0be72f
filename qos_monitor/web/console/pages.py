"""The handlers of the pages, and the way in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access import audit
from qos_monitor.access.doorkeeper import TooOften
from qos_monitor.access.scopes import Scope
from qos_monitor.claims import decision, views
from qos_monitor.claims.desk import Desk, FilingOptions
from qos_monitor.claims.lifecycle import CaseState, IllegalMove
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading, writing
from qos_monitor.web import answers
from qos_monitor.web.cases import decided
from qos_monitor.web.console import overview
from qos_monitor.web.console.keeper import COOKIE, NAME_MAX, Keeper, Visitor
from qos_monitor.web.console.paper import Paper
from qos_monitor.web.gate import Gate
from qos_monitor.web.paths import ANY_ID
from rules.document import Invalid
from rules.policy import Policy

HOME = "/console/"
SIGN_IN = "/console/sign-in"

FORM_BYTES_MAX: int = 65_536
"""Of a form: more than its longest texts are, each sign of them written as nine."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Nothing runs in these pages, nobody frames them, and no proxy keeps what they say of a learner."""

Page = Callable[[web.Request, Visitor], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class ConsoleOptions:
    """What the pages need of the settings.

    ``is_secure`` says that people come by https, so that the cookie never travels without.
    """

    gate: Gate
    filing: FilingOptions
    is_secure: bool


class Console:
    """The pages."""

    def __init__(self, engine: AsyncEngine, clock: Clock, policy: Policy, options: ConsoleOptions) -> None:
        self._engine = engine
        self._clock = clock
        self._policy = policy
        self._options = options
        self._keeper = Keeper(engine, clock, options.gate.door)
        self._paper = Paper(policy.deadlines.zone)

    def routes(self) -> list[web.RouteDef]:
        """Give every route of ours."""
        stored = answers.or_come_again
        return [
            web.get("/console", self.home),
            web.get("/console/console.css", self.style),
            web.get(SIGN_IN, self.ask),
            web.post(SIGN_IN, stored(self.let_in)),
            web.post("/console/sign-out", stored(self.let_out)),
            web.get(HOME, stored(self._inside(self.now))),
            web.get("/console/outages", stored(self._inside(self.outages))),
            web.get("/console/cases", stored(self._inside(self.cases))),
            web.get("/console/claims", stored(self._inside(self.claims))),
            web.get("/console/audit", stored(self._inside(self.audit))),
            web.get("/console/cases/{key}", stored(self._inside(self.case))),
            web.post("/console/cases/{key}/decision", stored(self._inside(self.decide))),
            web.get("/console/bundles/{sha256}", stored(self._inside(self.bundle))),
            web.get("/console/learners", stored(self._inside(self.find))),
            web.get(f"/console/learners/{ANY_ID}", stored(self._inside(self.learner))),
            web.get(f"/console/classes/{ANY_ID}", stored(self._inside(self.one_class))),
        ]

    async def home(self, _request: web.Request) -> web.Response:
        """Send on to the first page."""
        return _go(HOME)

    async def style(self, _request: web.Request) -> web.Response:
        """Give the style sheet."""
        body = resources.files("qos_monitor.web.console").joinpath("static/console.css").read_bytes()
        return web.Response(body=body, content_type="text/css", headers={"X-Content-Type-Options": "nosniff"})

    async def ask(self, request: web.Request) -> web.Response:
        """Show the way in."""
        return self._page("sign_in.html", None, {"to": _own_path(request.query.get("to", HOME)), "problem": ""})

    async def let_in(self, request: web.Request) -> web.Response:
        """Believe a key, and give a cookie for it."""
        form = await _form(request)
        name, token, to = (form.get(field, "") for field in ("name", "token", "to"))
        name, token = " ".join(name.split()), token.strip()
        caller = await self._options.gate.door.admit(token, self._options.gate.address(request))
        if isinstance(caller, TooOften):
            return self._options.gate.too_often(caller)
        if caller is None or Scope.CASES_READ not in caller.scopes:
            problem = "This is not a key that may see cases."
        elif not 0 < len(name) <= NAME_MAX or not name.isprintable():
            problem = f"A name of at most {NAME_MAX} characters is wanted: your decisions are signed with it."
        else:
            answer = _go(_own_path(to))
            cookie = await self._keeper.let_in(token, caller, name)
            answer.set_cookie(
                COOKIE, cookie, path="/console", httponly=True, samesite="Strict", secure=self._options.is_secure
            )
            return answer
        return self._page("sign_in.html", None, {"to": _own_path(to), "problem": problem}, 403)

    async def let_out(self, request: web.Request) -> web.Response:
        """End the visit, and take the cookie back."""
        await self._keeper.let_out(request.cookies.get(COOKIE, ""))
        answer = _go(SIGN_IN)
        answer.del_cookie(COOKIE, path="/console")
        return answer

    async def now(self, _request: web.Request, visitor: Visitor) -> web.Response:
        """Show what stands now."""
        async with reading(self._engine) as conn:
            standing = await overview.standing(conn)
        return self._page("now.html", visitor, standing)

    async def outages(self, request: web.Request, visitor: Visitor) -> web.Response:
        """List open outages, oldest first."""
        after = overview.read_place(request.query.get("after", ""))
        async with reading(self._engine) as conn:
            rows, following = await overview.open_outages(conn, after)
        return self._page("outages.html", visitor, {"outages": rows, "after": following and following.written()})

    async def cases(self, request: web.Request, visitor: Visitor) -> web.Response:
        """List cases; the filters are those of ``/v1/cases``."""
        given = {key: value for key, value in request.query.items() if value}
        try:
            wanted = views.read_wanted(given)
        except Invalid as invalid:
            return self._told(" ".join(f"{problem.path} {problem.message}." for problem in invalid.problems), 422)
        async with reading(self._engine) as conn:
            found = await views.list_cases(conn, wanted)
        states = [state.value for state in CaseState]
        return self._page(
            "cases.html", visitor, {"found": found, "given": given, "kinds": views.KINDS, "states": states}
        )

    async def claims(self, _request: web.Request, visitor: Visitor) -> web.Response:
        """List the claims that the refund system would not have."""
        async with reading(self._engine) as conn:
            rows = await overview.stuck_claims(conn)
        return self._page("claims.html", visitor, {"claims": rows})

    async def case(self, request: web.Request, visitor: Visitor) -> web.Response:
        """Show one case, with what may be decided about it."""
        return await self._case(request, visitor)

    async def decide(self, request: web.Request, visitor: Visitor) -> web.Response:
        """Carry out a decision, under the name of who signed in with a key that may."""
        form, key = await _form(request), request.match_info["key"]
        if not visitor.decides:
            return self._told("The key you signed in with sees cases and decides nothing.", 403)
        if not self._is_ours(request, form.get("seal", "")):
            return self._told("This form is not of your visit. Go back, load the page anew, and try again.", 403)
        said: dict[str, object] = {
            "decision": form.get("decision", ""),
            "actor": visitor.name,
            "reason": form.get("reason", "").strip(),
        }
        if reference := form.get("reference", "").strip():
            said["evidence"] = {"grade": "A", "reference": reference}
        try:
            wanted = decision.read_decision(said)
            async with writing(self._engine) as conn:
                desk = Desk(conn, self._policy, self._options.filing, self._clock.now())
                await decision.decide(desk, key, wanted)
                await audit.record(conn, decided(visitor.actor, key, wanted), desk.now)
        except Invalid as invalid:
            problem = " ".join(f"{problem.path} {problem.message}." for problem in invalid.problems)
            return await self._case(request, visitor, 422, problem)
        except (decision.NoSuchCase, IllegalMove) as error:
            return await self._case(request, visitor, 409, str(error))
        return _go(self._paper.link("cases", key))

    async def _case(self, request: web.Request, visitor: Visitor, status: int = 200, problem: str = "") -> web.Response:
        async with reading(self._engine) as conn:
            found = await views.show_case(conn, request.match_info["key"])
        if found is None:
            return self._told("There is no case of that key.", 404)
        return self._page(
            "case.html", visitor, {"case": found, "problem": problem, "seal": self._seal(request)}, status
        )

    async def bundle(self, request: web.Request, _visitor: Visitor) -> web.Response:
        """Hand out the exact bytes of an evidence bundle, as a file."""
        sha256 = request.match_info["sha256"]
        async with reading(self._engine) as conn:
            body = await views.bundle_body(conn, sha256)
        if body is None:
            return self._told("There is no bundle of that hash.", 404)
        named = {"Content-Disposition": f'attachment; filename="bundle-{sha256[:12]}.json"', **HEADERS}
        return web.Response(body=body.encode(), content_type="application/json", headers=named)

    async def find(self, request: web.Request, _visitor: Visitor) -> web.Response:
        """Go to the learner that was asked for."""
        name = request.query.get("id", "").strip()
        if not name:
            return self._told("Whom? A learner's id is wanted.", 422)
        return _go(self._paper.link("learners", name))

    async def learner(self, request: web.Request, visitor: Visitor) -> web.Response:
        """Show a learner's time line."""
        async with reading(self._engine) as conn:
            found = await views.timeline(conn, request.match_info["id"])
        if found is None:
            return self._told("Nobody of that id is on the roster.", 404)
        return self._page("learner.html", visitor, {"found": found})

    async def one_class(self, request: web.Request, visitor: Visitor) -> web.Response:
        """Show a class with its learners' verdicts."""
        async with reading(self._engine) as conn:
            found = await overview.one_class(conn, request.match_info["id"])
        if found is None:
            return self._told("There is no class of that id.", 404)
        return self._page("class.html", visitor, {"found": found})

    async def audit(self, request: web.Request, visitor: Visitor) -> web.Response:
        """Show who changed what, the newest first."""
        before = request.query.get("before", "")
        is_number = before.isascii() and before.isdigit() and len(before) < 16
        async with reading(self._engine) as conn:
            entries = await audit.page(conn, int(before) if is_number else None, overview.PAGE)
        is_full = len(entries) == overview.PAGE
        return self._page("audit.html", visitor, {"entries": entries, "before": entries[-1].seq if is_full else None})

    def _inside(self, page: Page) -> answers.Handler:
        """Wrap a page that only a visitor sees; anybody else is shown the way in."""

        async def answer(request: web.Request) -> web.Response:
            visitor = await self._keeper.visitor(request.cookies.get(COOKIE, ""))
            if visitor is not None:
                return await page(request, visitor)
            if request.method != "GET":
                return await self.ask(request)
            return _go(self._paper.sign_in(request.path_qs))

        return answer

    def _seal(self, request: web.Request) -> str:
        return self._keeper.seal(request.cookies.get(COOKIE, ""))

    def _is_ours(self, request: web.Request, seal: str) -> bool:
        return self._keeper.believes_seal(request.cookies.get(COOKIE, ""), seal)

    def _page(self, name: str, visitor: Visitor | None, given: Mapping[str, object], status: int = 200) -> web.Response:
        text = self._paper.write(name, self._clock.now(), {"visitor": visitor, **given})
        return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)

    def _told(self, words: str, status: int) -> web.Response:
        return self._page("told.html", None, {"words": words}, status)


async def _form(request: web.Request) -> Mapping[str, str]:
    """Read the fields of a form of ours; of two of one name the first. Raises HTTPRequestEntityTooLarge.

    Anybody may send one to sign in, and webhooks wait while it is taken apart: hence so little, and no files.
    """
    body = await request.clone(client_max_size=FORM_BYTES_MAX).read()
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return dict(reversed(pairs))


def _go(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path, **HEADERS})


def _own_path(given: str) -> str:
    """Keep a link inside: only a path of ours is gone to after signing in."""
    parts = urlsplit(given)
    is_ours = given.startswith(HOME) and not parts.netloc and not parts.scheme and given.isprintable()
    climbs = ".." in unquote(parts.path).split("/")  # a browser goes up, however it is spelt
    return given if is_ours and not climbs and "\\" not in given else HOME


def routes(engine: AsyncEngine, clock: Clock, policy: Policy, options: ConsoleOptions) -> list[web.RouteDef]:
    """Give the routes for an application."""
    return Console(engine, clock, policy, options).routes()
