"""Lets people in: a key once, then a cookie whose hash alone is kept here, as long as the key is good."""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.access.doorkeeper import Caller, Doorkeeper
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.storage.access_tables import visits
from qos_monitor.storage.engine import reading, writing
from qos_monitor.web.gate import shown
from rules.span import HOUR, Instant

COOKIE = "qos_console"
STAYS: int = 12 * HOUR
"""A person signs in anew after a working day."""

NAME_MAX = 100
_COOKIE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who signed in, as they called themselves, and with which key; decisions are written under the name."""

    name: str
    caller: Caller
    until: Instant

    @property
    def decides(self) -> bool:
        """Whether they may release and withdraw."""
        return Scope.CASES_DECIDE in self.caller.scopes

    @property
    def actor(self) -> Actor:
        """The same for the audit trail."""
        return Actor(self.name, f"console, {shown(self.caller)}")


class Keeper:
    """Keeps visits. One ends after STAYS, when it is left, and with the key or token it was begun with."""

    def __init__(self, engine: AsyncEngine, clock: Clock, door: Doorkeeper) -> None:
        self._engine = engine
        self._clock = clock
        self._door = door

    async def let_in(self, bearer: str, caller: Caller, name: str) -> str:
        """Begin a visit of somebody who showed a key; give its cookie, which only they ever see whole."""
        cookie, now = secrets.token_urlsafe(_COOKIE_BYTES), self._clock.now()
        is_setting = caller.id == caller.name
        row = {
            "sha256": _hashed(cookie),
            "key_id": "" if is_setting else caller.id,
            "proof": _proof(cookie, bearer) if is_setting else "",
            "name": name,
            "until": now + STAYS,
        }
        visitor = Visitor(name, caller, now + STAYS)
        async with writing(self._engine) as conn:
            await conn.execute(delete(visits).where(visits.c.until <= now))
            await conn.execute(insert(visits).values(row))
            await audit.record(conn, Act(visitor.actor, "console.entered", "console", "signed in"), now)
        return cookie

    async def visitor(self, cookie: str) -> Visitor | None:
        """Give whose visit this is; None where it is not one, or over, or its key opens nothing any more."""
        if not cookie:
            return None
        async with reading(self._engine) as conn:
            row = (await conn.execute(select(visits).where(visits.c.sha256 == _hashed(cookie)))).first()
        if row is None or row.until <= self._clock.now():
            return None
        if row.key_id:
            caller = await self._door.of_id(row.key_id)
        else:
            caller = self._door.is_static(row.proof, lambda token: _proof(cookie, token))
        if caller is None or Scope.CASES_READ not in caller.scopes:
            return None
        return Visitor(row.name, caller, row.until)

    async def let_out(self, cookie: str) -> None:
        """End a visit; one that was over leaves no entry on the trail."""
        visitor, now = await self.visitor(cookie), self._clock.now()
        async with writing(self._engine) as conn:
            ended = await conn.execute(delete(visits).where(visits.c.sha256 == _hashed(cookie)))
            if visitor is not None and ended.rowcount:
                await audit.record(conn, Act(visitor.actor, "console.left", "console", "signed out"), now)

    @staticmethod
    def seal(cookie: str) -> str:
        """Give the word that a form of this visit carries; a page of somebody else's cannot know it."""
        return hmac.new(_bytes(cookie), b"qos-monitor form", sha256).hexdigest()

    def believes_seal(self, cookie: str, seal: str) -> bool:
        """Say whether a form was one of this visit's."""
        return hmac.compare_digest(self.seal(cookie).encode(), _bytes(seal))


def _hashed(cookie: str) -> str:
    return sha256(_bytes(cookie)).hexdigest()


def _proof(cookie: str, token: str) -> str:
    """Bind a visit to a token of the settings, so that a new one ends it; without the cookie it says nothing of it."""
    return hmac.new(_bytes(cookie), b"qos-monitor token " + _bytes(token), sha256).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
