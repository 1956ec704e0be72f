"""Addresses of people's devices are not kept: what a delivery told of networks is read before they are cut down."""

import json
from dataclasses import replace

import pytest
from collector_specimens import Specimen
from every_specimen import SPECIMENS
from hypothesis import given
from hypothesis import strategies as st
from service_parts import MONDAY, SpokenCollector, said
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import reading
from qos_monitor.shortening import shortened
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import WAITING, deliveries


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('{"ip_address":"203.0.113.77"}', '{"ip_address":"203.0.113.0"}'),
        ('{"ClientIp" : "203.0.113.77"}', '{"ClientIp" : "203.0.113.0"}'),
        ('{"internal_ip_addresses":["10.1.2.3", "10.1.2.4"]}', '{"internal_ip_addresses":["10.1.2.0", "10.1.2.0"]}'),
        ('{"ip":"2001:db8:1:2:3:4:5:6"}', '{"ip":"2001:db8:1::"}'),
        ('{"remote-candidate":"1 udp 192.0.2.9 500 typ host"}', '{"remote-candidate":"1 udp 192.0.2.0 500 typ host"}'),
        ('{"selected-pair":"192.0.2.9:5 [2001:db8:1:2::9]:6"}', '{"selected-pair":"192.0.2.0:5 [2001:db8:1::]:6"}'),
        ('{"address":"::ffff:192.0.2.9"}', '{"address":"::ffff:192.0.2.0"}'),
    ],
)  # fmt: skip
def test_an_address_keeps_its_network(given: str, kept: str) -> None:
    assert shortened(given.encode()).decode() == kept
    assert shortened(kept.encode()).decode() == kept


@pytest.mark.parametrize(
    "given",
    [
        '{"sdk_version":"4.12.0.301"}',
        '{"ip":"999.1.2.3"}',
        '{"ip":"10.1.2.3.4"}',
        '{"has_sip":true,"ownership":"full"}',
        '{"address":"mike@school.example"}',
        '{"at":"2026-11-02T11:00:00Z","ip":"11:00:00"}',
        "",
        "not json",
    ],
)
def test_what_is_no_address_stays_byte_for_byte(given: str) -> None:
    assert shortened(given.encode()).decode() == given


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_and_twice_is_once(body: bytes) -> None:
    assert shortened(shortened(body)) == shortened(body)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_stays_json_of_the_same_shape(value: object) -> None:
    wrapped = {"ip_address": "203.0.113.77", "value": value}

    kept = json.loads(shortened(json.dumps(wrapped).encode()))

    assert kept.keys() == wrapped.keys()
    assert kept["ip_address"] == "203.0.113.0"


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda one: one.name)
def test_what_a_delivery_tells_is_the_same_after_it_was_shortened(specimen: Specimen) -> None:
    for body in specimen.valid:
        delivery = specimen.delivery(body)
        kept = replace(delivery, body=shortened(delivery.body))

        assert specimen.collector.read(kept) == specimen.collector.read(delivery)


async def test_what_is_read_is_kept_without_addresses_and_what_waits_as_it_came(engine: AsyncEngine) -> None:
    bodies = [said("1", ip_address="203.0.113.77"), said("2", who="u1", at=MONDAY), b'{"ip":"192.0.2.9"']
    rows = [
        {
            "provider": "agora",
            "minute": 0,
            "event_id": str(number),
            "received_at": MONDAY,
            "headers": "{}",
            "body": body,
            "state": WAITING,
        }
        for number, body in enumerate(bodies)
    ]
    async with storage.writing(engine) as conn:
        await conn.execute(insert(deliveries), rows)

    await reading.read_waiting(engine, {"agora": SpokenCollector()}, MONDAY)

    async with storage.reading(engine) as conn:
        kept = list((await conn.execute(select(deliveries.c.body).order_by(deliveries.c.seq))).scalars())
    assert kept == [said("1", ip_address="203.0.113.0"), bodies[1], b'{"ip":"192.0.2.0"']
