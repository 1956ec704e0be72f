"""What every collector owes, whoever its provider is."""

from dataclasses import replace

import pytest
from collector_mutations import ODD, changed, json_values, outcome, paths, value_at
from collector_specimens import NOON, Body, Specimen, unhurried
from every_specimen import SPECIMENS
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import REFUSALS, DeliveryKey, Refused, Unreadable

MEGABYTE = 2**20

every_collector = pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda s: s.name)
every_lenient_collector = pytest.mark.parametrize(
    "specimen", [s for s in SPECIMENS if not s.is_strict], ids=lambda s: s.name
)
every_valid_body = pytest.mark.parametrize(
    ("specimen", "body"),
    [pytest.param(s, body, id=f"{s.name}-{place}") for s in SPECIMENS for place, body in enumerate(s.valid)],
)


@every_valid_body
def test_a_valid_delivery_is_believed_and_gives_sightings_and_nothing_unknown(specimen: Specimen, body: Body) -> None:
    delivery = specimen.delivery(body)

    specimen.collector.verify(delivery)
    reading = outcome(specimen, delivery)

    assert reading is not None
    assert reading.sightings
    assert reading.unknown == ()


@every_valid_body
def test_every_sighting_names_its_source_and_a_participant(specimen: Specimen, body: Body) -> None:
    for sighting in specimen.collector.read(specimen.delivery(body)).sightings:
        assert sighting.observation.source == specimen.collector.provider
        assert sighting.observation.participant_id == "u1"


@every_collector
def test_a_delivery_without_proof_is_refused(specimen: Specimen) -> None:
    with pytest.raises(Refused) as refused:
        specimen.collector.verify(replace(specimen.delivery(specimen.valid[0]), headers={}))

    assert refused.value.reason == "missing_signature"


@every_collector
def test_a_delivery_with_a_proof_that_was_tampered_with_is_refused(specimen: Specimen) -> None:
    delivery = specimen.delivery(specimen.valid[0])
    for name, value in delivery.headers.items():
        end = "0" if value[-3] != "0" else "1"
        tampered = {**delivery.headers, name: f"{value[:-3]}{end}{value[-2:]}"}

        with pytest.raises(Refused) as refused:
            specimen.collector.verify(replace(delivery, headers=tampered))

        assert refused.value.reason in REFUSALS


@pytest.mark.parametrize("specimen", [s for s in SPECIMENS if s.signs_body], ids=lambda s: s.name)
def test_a_body_that_was_tampered_with_is_refused(specimen: Specimen) -> None:
    delivery = specimen.delivery(specimen.valid[0])

    with pytest.raises(Refused):
        specimen.collector.verify(replace(delivery, body=delivery.body.replace(b"u1", b"u2")))


@every_collector
@unhurried
@given(given=st.text(max_size=80))
def test_no_header_makes_a_collector_raise_anything_but_refused(specimen: Specimen, given: str) -> None:
    delivery = specimen.delivery(specimen.valid[0])
    for value in (given, f"Bearer {given}", f"{given}.{given}", f"{given}.e30.{given}", f"\udcff{given}"):
        headers = dict.fromkeys(delivery.headers, value)

        with pytest.raises(Refused) as refused:
            specimen.collector.verify(replace(delivery, headers=headers))

        assert refused.value.reason in REFUSALS
        assert specimen.collector.key(replace(delivery, headers=headers)).event_id


@every_collector
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b"{",
        b"\xff\xfe\x00",
        '{"event": "名"}'.encode("gb18030"),
        b'{"productId": NaN}',
        b'{"a": 1e999}',
        b'\xef\xbb\xbf{"a": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": "\\ud800"}',
        b"x" * MEGABYTE,
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_bytes_that_are_no_json_object_are_believed_if_signed_and_then_unreadable(
    specimen: Specimen, raw: bytes
) -> None:
    delivery = specimen.delivery(raw)

    specimen.collector.verify(delivery)

    with pytest.raises(Unreadable):
        specimen.collector.read(delivery)
    assert specimen.collector.key(delivery) == specimen.collector.key(delivery)


@every_valid_body
def test_a_body_cut_off_anywhere_is_unreadable(specimen: Specimen, body: Body) -> None:
    raw = specimen.write(body)
    for length in range(0, len(raw) - 1, max(len(raw) // 100, 1)):
        with pytest.raises(Unreadable):
            specimen.collector.read(specimen.delivery(raw[:length]))


@pytest.mark.parametrize(
    ("specimen", "body"),
    [pytest.param(s, body, id=f"{s.name}-{i}") for s in SPECIMENS if not s.is_strict for i, body in enumerate(s.valid)],
)
def test_a_megabyte_of_keys_nobody_asked_for_changes_nothing(specimen: Specimen, body: Body) -> None:
    plain = specimen.collector.read(specimen.delivery(body))
    padded = specimen.delivery(body | {"padding": "x" * MEGABYTE})

    specimen.collector.verify(padded)

    assert specimen.collector.read(padded) == plain
    assert specimen.collector.key(padded) == specimen.collector.key(specimen.delivery(body))


@every_valid_body
def test_a_delivery_sent_again_has_the_same_key(specimen: Specimen, body: Body) -> None:
    first = specimen.delivery(body)
    again = specimen.delivery(specimen.sent_again(body), first.received_at + 40_000)

    assert again.body != first.body
    assert specimen.collector.key(again) == specimen.collector.key(first)


@every_collector
def test_different_deliveries_have_different_keys(specimen: Specimen) -> None:
    keys = {specimen.collector.key(specimen.delivery(body)) for body in specimen.valid}
    others = {
        specimen.collector.key(specimen.delivery(body | {"batch": f"b{place}"}))
        for place, body in enumerate(specimen.valid)
    }

    assert len(keys | others) >= len(specimen.valid)


@every_valid_body
def test_reading_the_same_delivery_again_gives_the_same_reading(specimen: Specimen, body: Body) -> None:
    delivery = specimen.delivery(body)
    before = (delivery.body, dict(delivery.headers))

    readings = {repr(specimen.collector.read(delivery)) for _ in range(3)}

    assert len(readings) == 1
    assert before == (delivery.body, dict(delivery.headers))


@every_valid_body
def test_what_a_repeat_shows_has_the_ids_of_what_the_first_showed(specimen: Specimen, body: Body) -> None:
    first = specimen.collector.read(specimen.delivery(body))
    again = specimen.collector.read(specimen.delivery(specimen.sent_again(body)))

    assert [s.observation.id for s in again.sightings] == [s.observation.id for s in first.sightings]


@every_lenient_collector
def test_an_event_nobody_has_seen_before_is_counted_and_gives_nothing(specimen: Specimen) -> None:
    reading = specimen.collector.read(specimen.delivery(specimen.unknown_event))

    assert reading.sightings == ()
    assert len(reading.unknown) == 1


@every_lenient_collector
def test_a_value_nobody_has_seen_before_is_counted_and_the_event_is_kept(specimen: Specimen) -> None:
    reading = specimen.collector.read(specimen.delivery(specimen.unknown_enum))

    assert len(reading.sightings) == 1
    assert len(reading.unknown) == 1
    assert reading.sightings[0].observation.code in ("77", "SOLAR_FLARE")


@every_valid_body
def test_every_value_may_be_missing_or_of_any_type(specimen: Specimen, body: Body) -> None:
    for path in paths(body):
        outcome(specimen, specimen.delivery(changed(body, path, None, is_removed=True)))
        for odd in ODD:
            outcome(specimen, specimen.delivery(changed(body, path, odd)))


@every_collector
@unhurried
@given(data=st.data())
def test_no_change_to_a_body_makes_a_collector_raise_anything_but_unreadable(
    specimen: Specimen, data: st.DataObject
) -> None:
    body = data.draw(st.sampled_from(specimen.valid))
    for _ in range(data.draw(st.integers(1, 4))):
        places = sorted(paths(body), key=repr)
        path = data.draw(st.sampled_from(places or [("event",)]))
        value = data.draw(st.sampled_from(ODD) | json_values())
        body = changed(body, path, value, is_removed=data.draw(st.booleans()))
    received_at = data.draw(st.sampled_from([NOON, NOON + 5_000, 0, 2**41]))

    delivery = specimen.delivery(body, received_at)

    specimen.collector.verify(delivery)
    assert outcome(specimen, delivery) == outcome(specimen, delivery)


@every_collector
@unhurried
@given(data=st.data())
def test_no_change_to_the_bytes_makes_a_collector_raise_anything_but_unreadable(
    specimen: Specimen, data: st.DataObject
) -> None:
    raw = bytearray(specimen.write(data.draw(st.sampled_from(specimen.valid))))
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    outcome(specimen, specimen.delivery(bytes(raw)))


@every_collector
def test_an_id_of_any_length_is_capped_and_stays_itself(specimen: Specimen) -> None:
    body = specimen.valid[0]
    texts = [path for path in paths(body) if isinstance(value_at(body, path), str)]
    long = [
        specimen.collector.key(specimen.delivery(changed(body, path, "x" * 10_000 + end)))
        for path in texts
        for end in "ab"
    ]

    assert max(len(key.event_id) for key in long) <= 200
    assert len(set(long)) > 1


@every_collector
def test_the_proof_is_kept_with_the_delivery_unless_it_would_open_the_door_again(specimen: Specimen) -> None:
    delivery = specimen.delivery(specimen.valid[0])
    kept = {name: value for name, value in delivery.headers.items() if name in specimen.collector.kept_headers}

    if specimen.keeps_proof:
        specimen.collector.verify(replace(delivery, headers=kept))
    else:
        assert kept == {}


@every_collector
def test_the_answer_is_a_success_and_no_secret_shows_in_the_collectors_name(specimen: Specimen) -> None:
    status, _, content_type = specimen.collector.answer(specimen.delivery(specimen.valid[0]))

    assert 200 <= status < 300
    assert content_type
    assert "secret" not in repr(specimen.collector)
    assert isinstance(specimen.collector.key(specimen.delivery(b"")), DeliveryKey)
