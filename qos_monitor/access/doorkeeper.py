"""Lets callers in: believes the key they bear, and counts how often they come."""

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import clock as clocks
from qos_monitor.access import keys
from qos_monitor.access.buckets import Buckets
from qos_monitor.access.keys import Key
from qos_monitor.access.scopes import Scope, StaticKey
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading, writing
from rules.span import Instant

KNOWN_S: float = 2.0
"""So long what the database says of keys is believed: a revoked one opens nothing after that, in any process."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who bears a good key: ``name`` is the key's, or that of the setting; ``id`` tells keys of one name apart."""

    id: str
    name: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class TooOften:
    """A caller, or an address that nobody believes, came too often; there is room again after ``wait_s``."""

    wait_s: int
    of: str
    """``key`` or ``address``."""


class Doorkeeper:
    """Believes keys. One for each process, which asks the database at most every KNOWN_S."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        statics: Callable[[], Sequence[StaticKey]],
        of_keys: Buckets | None = None,
        of_strangers: Buckets | None = None,
    ) -> None:
        """Take the tokens that are settings anew each time, for they may change while we run."""
        self._engine = engine
        self._clock = clock
        self._statics = statics
        self._of_keys = of_keys or Buckets(0, 0)
        self._of_strangers = of_strangers or Buckets(0, 0)
        self._known: Mapping[str, Key] = {}
        self._known_s = float("-inf")
        self._asking = asyncio.Lock()
        self._used: dict[str, Instant] = {}
        self._noted: dict[str, Instant] = {}

    async def admit(self, bearer: str, address: str) -> Caller | TooOften | None:
        """Say who bears this; None where nobody does. Raises what the database raises when it is asked.

        Only who is not believed takes from the bucket of an address, so that nobody's guesses keep a good key out.
        """
        caller, now_s = await self.believed(bearer), clocks.stopwatch_s()
        if caller is None:
            if self._of_strangers.takes(address, now_s):
                return None
            return TooOften(self._of_strangers.wait_s(address, now_s), "address")
        if not self._of_keys.takes(caller.id, now_s):
            return TooOften(self._of_keys.wait_s(caller.id, now_s), "key")
        return caller

    async def believed(self, bearer: str) -> Caller | None:
        """Say who bears this, in a time that does not tell how much of a secret was right."""
        given = bearer.encode("utf-8", "surrogatepass")
        wanted = sha256(given).digest()
        return self._of_settings(
            lambda token: hmac.compare_digest(wanted, sha256(token.encode()).digest())
        ) or await self._bearer_of_key(bearer)

    async def of_id(self, key_id: str) -> Caller | None:
        """Give the caller of a good key by its id; for whoever showed the key before."""
        now = self._clock.now()
        key = (await self._keys()).get(key_id)
        if key is None or not key.is_good(now):
            return None
        self._use(key, now)
        return Caller(key.id, key.name, key.scopes)

    def is_static(self, proof: str, made: Callable[[str], str]) -> Caller | None:
        """Find the token among the settings of which ``made`` makes this proof."""
        return self._of_settings(lambda token: hmac.compare_digest(made(token).encode(), proof.encode()))

    def forget(self) -> None:
        """Ask the database anew at the next key."""
        self._known_s = float("-inf")

    async def note_used(self) -> None:
        """Write when keys were last used, to the minute."""
        used, self._used = self._used, {}
        if not used:
            return
        async with writing(self._engine) as conn:
            await keys.note_used(conn, used)

    def _of_settings(self, is_it: Callable[[str], bool]) -> Caller | None:
        """Find the token among the settings; one that stands in several may what each of them may."""
        found = [static for static in self._statics() if is_it(static.token)]
        if not found:
            return None
        name = ", ".join(static.name for static in found)
        return Caller(name, name, frozenset[Scope]().union(*(static.scopes for static in found)))

    async def _bearer_of_key(self, bearer: str) -> Caller | None:
        shown = keys.read(bearer)
        if shown is None:
            return None
        key_id, secret = shown
        key, now = (await self._keys()).get(key_id), self._clock.now()
        # Of an unknown id the secret is hashed and compared all the same.
        is_right = hmac.compare_digest(keys.hashed(secret), "0" * 64 if key is None else key.sha256)
        if key is None or not is_right or not key.is_good(now):
            return None
        self._use(key, now)
        return Caller(key.id, key.name, key.scopes)

    async def _keys(self) -> Mapping[str, Key]:
        came_s = clocks.stopwatch_s()  # who waited for a slow database takes what it told meanwhile
        async with self._asking:
            if came_s - self._known_s >= KNOWN_S:
                asked_s = clocks.stopwatch_s()
                async with reading(self._engine) as conn:
                    self._known = await keys.standing(conn)
                self._known_s = asked_s
        return self._known

    def _use(self, key: Key, now: Instant) -> None:
        if abs(now - self._noted.get(key.id, -keys.USED_EVERY)) >= keys.USED_EVERY:
            self._noted[key.id] = self._used[key.id] = now
