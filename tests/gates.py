"""Gates for tests of handlers: one token opens what the test says, as a setting would."""

from collections.abc import Collection

from service_parts import TOKEN
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access.audit import Actor
from qos_monitor.access.doorkeeper import Doorkeeper
from qos_monitor.access.scopes import Scope, StaticKey
from qos_monitor.clock import Clock
from qos_monitor.web.gate import Gate
from rules.world import World

ROSTER_KEYS = ("courses", "enrolments", "classes")


def roster_of(world: World) -> dict[str, object]:
    """Give what PUT /v1/roster takes of a world."""
    return {key: value for key, value in world.as_json().items() if key in ROSTER_KEYS}


SOMEBODY = Actor("somebody", "test")


def door_of(
    engine: AsyncEngine, clock: Clock, token: str | None = TOKEN, scopes: Collection[Scope] = tuple(Scope)
) -> Doorkeeper:
    """Make a doorkeeper who believes one token, or none, beside the keys in the database."""
    statics = [] if token is None else [StaticKey("QOS_TEST_TOKEN", token, frozenset(scopes))]
    return Doorkeeper(engine, clock, lambda: statics)


def gate_of(
    engine: AsyncEngine, clock: Clock, token: str | None = TOKEN, scopes: Collection[Scope] = tuple(Scope)
) -> Gate:
    """Make a gate before it."""
    return Gate(door_of(engine, clock, token, scopes))
