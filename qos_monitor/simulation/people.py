"""What people and the refund system do in the morning: release what waits, report what was paid."""

from dataclasses import dataclass, field

from qos_monitor import clock
from qos_monitor.claims.receiver import report
from qos_monitor.simulation.driver import OutOfStep
from qos_monitor.simulation.stage import CLOCK, TOKEN, Stage

_PAGE = 200
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(slots=True)
class Morning:
    """The school's staff and its refund system, once a day."""

    stage: Stage
    released: list[int] = field(default_factory=list)
    """How many cases the breaker had stopped, each morning."""

    async def __call__(self) -> None:
        """Report what came the day before as paid, then let go what the breaker stopped."""
        await self._pay()
        waiting = await self._waiting()
        self.released.append(waiting)
        if waiting:
            await self._release(waiting)

    async def _waiting(self) -> int:
        url = f"{self.stage.service.url}/v1/cases"
        query = {"state": "candidate", "limit": str(_PAGE)}
        async with self.stage.session.get(url, params=query, headers=HEADERS) as answer:
            return len((await answer.json())["cases"])

    async def _release(self, count: int) -> None:
        decision = {
            "decision": "release",
            "actor": "Lin, head of service",
            "reason": f"{count} cases checked against the provider's incident report",
        }
        url = f"{self.stage.service.url}/v1/cases/all/decision"
        async with self.stage.session.post(url, json=decision, headers=HEADERS) as answer:
            if answer.status != 200:
                raise OutOfStep(f"the release was answered {answer.status}: {await answer.text()}")

    async def _pay(self) -> None:
        stage = self.stage
        now = clock.DrivenClock(stage.folder / CLOCK).now()
        for key, received in list(stage.receiver.received.items()):
            if received.status != "paid":
                received.status = "paid"
                url = f"{stage.service.url}/v1/claims/{key}/status"
                status = await report(stage.session, url, [stage.status_secret], {"status": "paid"}, now)
                if status != 200:
                    raise OutOfStep(f"the report of a payment was answered {status}")
