"""Names a learner in logs and in the audit trail so that only whoever holds this installation's key can tell who."""

import hmac
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.storage.access_tables import installation
from qos_monitor.storage.engine import insert

_NAME = "pseudonym_key"


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The names of one installation: the same learner always gets the same one, another installation's differs.

    Keyed, for the ids of a school are few and could all be tried.
    """

    key: bytes = field(repr=False)

    def of(self, learner_id: str) -> str:
        """Give the name, such as ``learner-3f2a…``: 64 bits, so that a school of a million has no two alike."""
        said = learner_id.encode("utf-8", "surrogatepass")
        return f"learner-{hmac.digest(self.key, said, sha256).hex()[:16]}"


async def of_installation(conn: AsyncConnection) -> Pseudonyms:
    """Read the installation's key, in a transaction that writes: the first who asks makes it."""
    made = insert(conn.dialect.name, installation).values(name=_NAME, value=secrets.token_hex(32))
    await conn.execute(made.on_conflict_do_nothing(index_elements=["name"]))
    stored = select(installation.c.value).where(installation.c.name == _NAME)
    return Pseudonyms(bytes.fromhex((await conn.execute(stored)).scalar_one()))
