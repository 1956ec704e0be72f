"""A fake school information system and LTI platform over real HTTP: tokens, pages, and bad days."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType

import aiohttp
import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from qos_monitor.clock import SystemClock
from qos_monitor.importing.credentials import SharedSecret
from qos_monitor.importing.remote import Remote

CLIENT = ("client-7", "a-secret-nobody-guesses")
NRPS_MEDIA = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
Misdeed = Callable[[web.Request], Awaitable[web.StreamResponse]]
Row = dict[str, object]


@cache
def private_key() -> str:
    """Make a key, once in a run."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(kind, form, serialization.NoEncryption()).decode()


@dataclass
class FakeSchool:
    """OneRoster under /or, members of one course under /nrps, tokens under /token."""

    records: dict[str, list[Row]] = field(default_factory=dict)
    members: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    """What /nrps answers to whoever asks for differences."""
    late: dict[str, list[Row]] = field(default_factory=dict)
    """Records that are there once a page of their collection was answered."""
    page_max: int = 3
    tells_total: bool = True
    tells_links: bool = True
    token_uses: int = 1_000
    """So many requests a token is good for, whatever it said."""
    misdeeds: list[Misdeed] = field(default_factory=list)
    token_misdeeds: list[Misdeed] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    assertions: list[Row] = field(default_factory=list)
    _left: int = 0

    def app(self) -> web.Application:
        """Give the server."""
        app = web.Application()
        app.router.add_post("/token", self.let_in)
        app.router.add_get("/or/{collection}", self.collection)
        app.router.add_get("/nrps", self.memberships)
        return app

    async def let_in(self, request: web.Request) -> web.StreamResponse:
        """Give a token to who knows the secret, or signed with the key."""
        if self.token_misdeeds:
            return await self.token_misdeeds.pop(0)(request)
        form = await request.post()
        if form.get("grant_type") != "client_credentials" or not self._is_ours(request, form):
            return web.json_response({"error": "invalid_client", "error_description": str(form)}, status=401)
        self.scopes.append(str(form["scope"]))
        self.tokens.append(f"token-{len(self.tokens)}")
        self._left = self.token_uses
        return web.json_response({"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3600})

    def _is_ours(self, request: web.Request, form: object) -> bool:
        assertion = form.get("client_assertion") if hasattr(form, "get") else None
        if assertion is None:
            return request.headers.get("Authorization") == aiohttp.encode_basic_auth(*CLIENT)
        key = serialization.load_pem_private_key(private_key().encode(), None).public_key()
        claims = jwt.decode(str(assertion), key, ["RS256"], audience=str(request.url), options={"verify_iat": False})  # type: ignore[arg-type]  # an RSA key
        self.assertions.append({**claims, **jwt.get_unverified_header(str(assertion))})
        return bool(claims["iss"] == claims["sub"] == CLIENT[0])

    async def _refused(self, request: web.Request) -> web.StreamResponse | None:
        self.asked.append(request.path_qs)
        if self.misdeeds:
            return await self.misdeeds.pop(0)(request)
        is_known = self.tokens and request.headers.get("Authorization") == f"Bearer {self.tokens[-1]}"
        if not is_known or self._left == 0:
            return web.json_response({"imsx_codeMajor": "failure"}, status=401)
        self._left -= 1
        return None

    async def collection(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of a collection."""
        if refused := await self._refused(request):
            return refused
        name = request.match_info["collection"]
        is_all = "filter" not in request.query
        rows = [row for row in self.records.get(name, []) if is_all or row["status"] == "active"]
        offset, limit = int(request.query["offset"]), min(int(request.query["limit"]), self.page_max)
        headers = {"X-Total-Count": str(len(rows))} if self.tells_total else {}
        if self.tells_links:
            following = request.url.update_query(offset=offset + limit)
            first = request.url.update_query(offset=0)
            more = [f'<{following}>; rel="next"'] if offset + limit < len(rows) else []
            headers["Link"] = ", ".join([f'<{first}>; rel="first"', *more])
        self.records.setdefault(name, []).extend(self.late.pop(name, []))
        return web.json_response({name: rows[offset : offset + limit]}, headers=headers)

    async def memberships(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of members."""
        if refused := await self._refused(request):
            return refused
        members = self.changed if "since" in request.query else self.members
        page = int(request.query.get("p", "0"))
        shown = members[page * self.page_max : (page + 1) * self.page_max]
        links = []
        if len(members) > (page + 1) * self.page_max:
            links.append(f"<{request.url.update_query(p=page + 1)}>; rel=next")
        else:
            links.append(f'<{request.url.with_query(since="672638")}>; rel="differences"')
        body = {"id": str(request.url), "context": {"id": "c-7", "title": "Algebra"}, "members": shown}
        return web.json_response(body, content_type=NRPS_MEDIA, headers={"Link": ", ".join(links)})


def says(status: int, body: str = "", content_type: str = "application/json", **headers: str) -> Misdeed:
    """Answer once with this."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, content_type=content_type, headers=named)

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class _Thread(threading.Thread):
    """Serves on a loop of its own, since the command line has one too."""

    def __init__(self, school: FakeSchool) -> None:
        super().__init__(daemon=True)
        self.port = 0
        self._school = school
        self._is_ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._is_over = asyncio.Event()

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(self._school.app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._is_ready.set()
        await self._is_over.wait()
        await runner.cleanup()

    def __enter__(self) -> str:
        self.start()
        self._is_ready.wait()
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self.join()


@asynccontextmanager
async def remote_of(school: FakeSchool, pause: Callable[[float], Awaitable[None]]) -> AsyncIterator[tuple[Remote, URL]]:
    """Run the school on this loop; give who asks it, and its address."""
    async with TestServer(school.app()) as server, aiohttp.ClientSession() as session:
        base = server.make_url("/")
        grant = SharedSecret(*CLIENT, "all")
        yield Remote(session, base / "token", grant, SystemClock(), pause), base


@contextmanager
def served(school: FakeSchool) -> Iterator[str]:
    """Run the school; give its address."""
    with _Thread(school) as url:
        yield url


def link(sourced_id: str, kind: str) -> Row:
    """Write a reference as the standard has it."""
    return {"href": f"https://sis.example/{kind}s/{sourced_id}", "sourcedId": sourced_id, "type": kind}


def row(sourced_id: str, **more: object) -> Row:
    """Write a record with what every record has."""
    return {"sourcedId": sourced_id, "status": "active", "dateLastModified": "2026-09-01T08:00:00.123Z", **more}


def small_school() -> dict[str, list[Row]]:
    """Write the school of the CSV tests as the REST binding has it."""
    people = ("u1", "u2", "t1", "t2", "p1")
    roles = ("student", "student", "teacher", "teacher", "proctor")
    primary: tuple[object, ...] = (False, "false", "false", "true", None)
    spans: tuple[Row, ...] = (
        {},
        {"beginDate": "2026-10-01", "endDate": "2026-12-18"},
        {},
        {"endDate": "2026-10-31"},
        {},
    )
    named = {"school": link("o1", "org"), "class": link("math-7b", "class")}
    return {
        "orgs": [row("o1", name="The School", type="school")],
        "academicSessions": [row("term1", title="Autumn", startDate="2026-09-01", endDate="2027-01-31", type="term")],
        "courses": [row("math", title="Mathematics, basic", courseCode="M1", org=link("o1", "org"))],
        "classes": [
            row(
                "math-7b",
                title="Maths 7b",
                course=link("math", "course"),
                school=link("o1", "org"),
                terms=[link("term1", "academicSession")],
            )
        ],
        "users": [
            row(one, username=f"name-{one}", enabledUser="true", givenName="A", familyName="B") for one in people
        ],
        "enrollments": [
            row(f"e{n}", user=link(one, "user"), role=role, primary=first, **named, **span)
            for n, (one, role, first, span) in enumerate(zip(people, roles, primary, spans, strict=True))
        ],
    }
