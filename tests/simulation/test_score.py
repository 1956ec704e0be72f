"""False and missed refunds of the simulated school, as its refund system tells Prometheus."""

import json

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from qos_monitor.claims.receiver import Received, Receiver
from qos_monitor.metrics.standing import OF_THE_SIMULATION
from qos_monitor.simulation.expectations import Due
from qos_monitor.simulation.faults import PLANTED
from qos_monitor.simulation.score import Score


def due(learner: str, minor: int) -> Due:
    return Due(learner, f"e-{learner}", PLANTED[0].cause, "refund", amount_minor=minor)


def claim(receiver: Receiver, learner: str, minor: int) -> None:
    message = {
        "learner_id": learner,
        "enrolment_id": f"e-{learner}",
        "remedy": "refund",
        "amount_minor": minor,
        "terms": {},
    }
    key = f"{learner}-{len(receiver.received)}"
    receiver.received[key] = Received(json.dumps(message).encode(), {})


def played() -> tuple[Receiver, Score]:
    """Let two be owed, and one who is not ask: of the owed, one has asked for half of it."""
    receiver = Receiver([])
    score = Score(receiver)
    score.expect([due("u1", 100), due("u2", 200)])
    claim(receiver, "u1", 50)
    claim(receiver, "u3", 10)
    return receiver, score


def test_while_it_is_played_only_who_is_owed_nothing_is_falsely_paid() -> None:
    _, score = played()

    assert score.results() == {"owed": 2, "right": 0, "false": 1, "missed": 0}


def test_in_the_end_what_is_not_just_what_was_owed_is_false_and_the_owed_is_missed() -> None:
    receiver, score = played()
    claim(receiver, "u2", 200)

    score.end()

    assert score.results() == {"owed": 2, "right": 1, "false": 2, "missed": 1}


async def test_it_is_told_beside_the_refund_system_under_the_declared_names() -> None:
    receiver, score = played()
    app = receiver.app()
    app.router.add_get("/metrics", score.metrics)

    async with TestClient(TestServer(app)) as client, client.get("/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))

    assert {family.name for family in families} == {metric.name for metric in OF_THE_SIMULATION}
    assert {sample.labels.get("result"): sample.value for family in families for sample in family.samples} == {
        "owed": 2,
        "right": 0,
        "false": 1,
        "missed": 0,
        None: 0,
    }
