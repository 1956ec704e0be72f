"""Whatever is sent, a collector refuses it, finds it unreadable, or keeps within its limits.

Each collector sees 500 bodies gone wrong wherever the tests run, and 10 000 with
``make fuzz``. A failure names its seed.
"""

from dataclasses import replace
from random import Random

import pytest
from collector_mutations import mutated, outcome
from collector_specimens import Specimen
from every_specimen import SPECIMENS
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import REFUSALS, Delivery, Refused

every_collector = pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda s: s.name)
seeds = st.integers(0, 2**64 - 1)


@every_collector
@given(seed=seeds)
def test_a_body_gone_wrong_is_believed_if_signed_and_then_read_within_limits_or_unreadable(
    specimen: Specimen, seed: int
) -> None:
    delivery = mutated(specimen, Random(seed))  # noqa: S311 - chance, not a secret

    specimen.collector.verify(delivery)
    status, body, _ = specimen.collector.answer(delivery)

    assert outcome(specimen, delivery) == outcome(specimen, delivery)
    assert 200 <= status < 300
    assert len(body) < 1_500


def reason_of(specimen: Specimen, delivery: Delivery) -> str | None:
    """Say why a delivery is refused; None where it is believed."""
    try:
        specimen.collector.verify(delivery)
    except Refused as refused:
        return refused.reason
    return None


@every_collector
@given(seed=seeds)
def test_a_header_gone_wrong_is_refused_or_changes_nothing(specimen: Specimen, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - chance, not a secret
    delivery = specimen.delivery(specimen.valid[0])
    name = chance.choice(sorted(delivery.headers))
    place, letter = chance.randrange(len(delivery.headers[name]) + 1), chr(chance.choice([0, 32, 46, 0xE9, 0xDC80]))
    value = delivery.headers[name][:place] + letter * chance.randrange(3) + delivery.headers[name][place + 1 :]
    changed = replace(delivery, headers={**delivery.headers, name: value})

    assert reason_of(specimen, changed) in (None, *REFUSALS)
    outcome(specimen, changed)
