"""Which part of the work a process does, and where it stands among its siblings."""

from dataclasses import dataclass
from enum import StrEnum


class ServiceRole(StrEnum):
    """What `serve --role` takes."""

    ALL = "all"
    INTAKE = "intake"
    WORKER = "worker"

    @property
    def takes(self) -> bool:
        """Say whether it takes webhooks and serves the API and the console."""
        return self is not ServiceRole.WORKER

    @property
    def works(self) -> bool:
        """Say whether it runs the background jobs."""
        return self is not ServiceRole.INTAKE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process stands. ``number`` counts from 0 among those that one `serve --workers` started; None: alone.

    ``port`` is the one they share.
    """

    role: ServiceRole = ServiceRole.ALL
    number: int | None = None
    port: int | None = None

    @property
    def is_sibling(self) -> bool:
        """Say whether others listen on the same port, and a parent watches."""
        return self.number is not None

    def metrics_port(self, first: int | None) -> int | None:
        """Give the port of this process alone, for its metrics; None where it has none, 0 for any that is free."""
        if first is None:
            return 0 if self.is_sibling else None
        return first + (self.number or 0)
