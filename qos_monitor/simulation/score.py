"""Tells Prometheus how the play stands against its plan: what is owed, asked for rightly, falsely, or missed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from qos_monitor.claims.receiver import Receiver
from qos_monitor.gauging.samples import alone, family
from qos_monitor.metrics.standing import SIMULATED_CLAIMS, SIMULATION_OVER
from qos_monitor.simulation.account import Asked, asked, owed
from qos_monitor.simulation.expectations import Due


class Score(Collector):
    """What the refund system of the play received, held against the plan; all that is asked for one enrolment is one.

    Until the play is over, a claim is false only where nothing is owed for its enrolment: the rest of it may still
    come. Then it is false unless it asks for just what is owed, and what did not come is missed.
    """

    def __init__(self, receiver: Receiver) -> None:
        """Watch what this one receives."""
        self._receiver = receiver
        self._owed: set[Asked] = set()
        self._is_over = False
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def expect(self, dues: Sequence[Due]) -> None:
        """Say what the plan owes."""
        self._owed = owed(dues)

    def end(self) -> None:
        """Say that the play is over."""
        self._is_over = True

    def results(self) -> Mapping[str, int]:
        """Count enrolments by what became of them."""
        claimed = asked(one.message for one in self._receiver.received.values())
        known = {(one.learner_id, one.enrolment_id) for one in self._owed}
        false = claimed - self._owed
        if not self._is_over:
            false = {one for one in false if (one.learner_id, one.enrolment_id) not in known}
        missed = len(self._owed - claimed) if self._is_over else 0
        return {"owed": len(self._owed), "right": len(claimed & self._owed), "false": len(false), "missed": missed}

    def describe(self) -> Iterable[Metric]:
        """Announce nothing beforehand."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give it as it is now."""
        yield family(SIMULATED_CLAIMS, {(result,): float(count) for result, count in self.results().items()})
        yield family(SIMULATION_OVER, alone(self._is_over))

    async def metrics(self, _request: web.Request) -> web.Response:
        """Answer ``GET /metrics`` beside the refund system."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
