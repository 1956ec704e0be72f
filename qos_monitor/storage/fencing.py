"""What a write transaction proves before it writes: that whoever does the work may still do it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

Proof: TypeAlias = Callable[[AsyncConnection], Awaitable[None]]
"""Raises where the work is no longer ours; asked inside the transaction, so that it holds until the end of it."""

_proof: ContextVar[Proof | None] = ContextVar("proof", default=None)


@contextmanager
def fenced(proof: Proof) -> Iterator[None]:
    """Have every write transaction of this task, and of tasks it starts, begin with this proof."""
    before = _proof.set(proof)
    try:
        yield
    finally:
        _proof.reset(before)


async def prove(conn: AsyncConnection) -> None:
    """Prove what must be proved here; nothing outside of `fenced`."""
    proof = _proof.get()
    if proof is not None:
        await proof(conn)
