"""Browsers before the console, for every test of it."""

from collections.abc import AsyncIterator

import pytest
from claim_parts import Court, dark_life
from console_browser import Browser, browsed
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.breaker import BreakerLimits


@pytest.fixture
async def browser(engine: AsyncEngine) -> AsyncIterator[Browser]:
    """Give a browser that is not signed in."""
    async for one in browsed(engine, Court(engine)):
        yield one


@pytest.fixture
async def stopped(engine: AsyncEngine) -> AsyncIterator[Browser]:
    """Give a browser signed in where the breaker stops every claim."""
    async for one in browsed(engine, Court(engine, limits=BreakerLimits(0))):
        await one.court.judge(dark_life())
        await one.sign_in()
        yield one
