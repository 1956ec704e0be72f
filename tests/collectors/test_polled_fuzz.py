"""Whatever a poll is answered, it is read within limits or unreadable, and what is asked next comes to an end.

Each list sees some hundred answers gone wrong wherever the tests run, and 10 000 with ``make fuzz``.
"""

import json
from dataclasses import replace
from random import Random

import pytest
from collector_mutations import ODD, changed, mutated, outcome, paths
from collector_specimens import NOON, Body, Specimen
from hypothesis import given, settings
from hypothesis import strategies as st
from polled_specimens import END, POLLED

from collectors.agora import analytics
from collectors.livekit.presence import LiveKitPresence
from collectors.polls import Request, Said, Sitting, Statistics
from collectors.trtc import calls
from collectors.zoom import dashboards
from rules.span import HOUR, MINUTE

every_list = pytest.mark.parametrize("specimen", [one for _, one in POLLED], ids=[name for name, _ in POLLED])
seeds = st.integers(0, 2**64 - 1)
STATISTICS: dict[str, Statistics | None] = {
    "agora": analytics.statistics("the-app", "standard"),
    "livekit": LiveKitPresence(MINUTE),
    "trtc": calls.statistics(1_400_000_001, "standard"),
    "zoom": dashboards.statistics("business"),
}
every_statistics = pytest.mark.parametrize("provider", sorted(STATISTICS))


@every_list
def test_a_valid_answer_is_read_and_nothing_in_it_is_unknown(specimen: Specimen) -> None:
    for body in specimen.valid:
        reading = outcome(specimen, specimen.delivery(body))

        assert reading is not None
        assert reading.sightings or reading.ignored
        assert reading.unknown == ()


@every_list
@given(seed=seeds)
def test_an_answer_gone_wrong_is_read_within_limits_or_unreadable(specimen: Specimen, seed: int) -> None:
    delivery = mutated(specimen, Random(seed))  # noqa: S311 - chance, not a secret

    assert outcome(specimen, delivery) == outcome(specimen, delivery)


@every_list
@given(seed=seeds)
def test_what_was_asked_gone_wrong_is_read_within_limits_or_unreadable(specimen: Specimen, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - chance, not a secret
    delivery = specimen.delivery(specimen.valid[0])
    asked: Body = json.loads(delivery.headers["asked"])
    for _ in range(chance.randrange(1, 4)):
        place, value = chance.choice(list(paths(asked))), chance.choice(ODD)
        asked = changed(asked, place, value, is_removed=chance.random() < 0.3) or {"endpoint": None}

    outcome(specimen, replace(delivery, headers={"asked": json.dumps(asked)}))


def asked_of(statistics: Statistics, room: str, chance: Random) -> list[Request]:
    """Ask until all was answered, each time with any answer that is good, and perhaps one that is stale."""
    sitting, progress, now = Sitting(room, NOON, END, "t1"), "", END + 12 * HOUR
    specimens = [one for name, one in POLLED if name.startswith(statistics.provider)]
    asked: list[Request] = []
    for _ in range(60):
        request = statistics.next(sitting, progress, now)
        if not isinstance(request, Request):
            return asked
        asked.append(request)
        body = mutated(chance.choice(specimens), chance).body
        if statistics.said(200, body) is Said.GOOD:
            progress = statistics.after(sitting, progress, request, body)
    return asked


@every_statistics
@settings(max_examples=60)
@given(seed=seeds)
def test_any_answer_that_is_taken_for_good_leads_on_to_questions_with_names_that_fit(provider: str, seed: int) -> None:
    statistics = STATISTICS[provider]
    assert statistics is not None
    for request in asked_of(statistics, "93201235621", Random(seed)):  # noqa: S311 - chance, not a secret
        assert request.name
        assert request.at > 0
        assert isinstance(json.loads(request.asked), dict)


@every_statistics
@given(status=st.integers(100, 599), body=st.binary(max_size=200))
def test_no_answer_is_more_than_can_be_named(provider: str, status: int, body: bytes) -> None:
    statistics = STATISTICS[provider]
    assert statistics is not None
    assert statistics.said(status, body) in Said
