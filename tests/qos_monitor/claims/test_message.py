"""What the refund system reads: always in the published shape, always under 20 kB, with words for a person."""

import json
from dataclasses import replace
from types import MappingProxyType

import jsonschema
import pytest
from claim_parts import FILED, Court, FakeGateway, bright_life, dark_life, richer, send_due
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_school import POLICY, enrolment
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.entitlement import Demand
from qos_monitor.claims.ledger import CaseRow
from qos_monitor.claims.lifecycle import ClaimKind
from qos_monitor.claims.message import BYTES_MAX, Claim, compose, schema, shape_problems
from qos_monitor.storage.rows import canonical
from rules.money import written
from rules.span import HOUR

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(schema()), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def problems(text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(json.loads(text))]


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    return Court(engine)


def a_claim(row: CaseRow, kind: ClaimKind = ClaimKind.REFUND) -> Claim:
    demand = Demand(row.amount_minor, row.currency, row.body["terms"])
    return Claim(
        claim_key=row.case_key,
        version=1,
        kind=kind,
        case=row,
        demand=demand,
        due=(row.due_target, row.due_limit, row.due_provisional),
        bundle_sha256="0" * 64,
        made_at=FILED,
    )


def test_the_schema_itself_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))


def test_the_schema_allows_no_key_it_does_not_name() -> None:
    closed = json.loads(schema())
    objects = [closed, *(part for part in closed["properties"].values() if "properties" in part)]

    assert all(part["additionalProperties"] is False for part in objects)
    assert sorted(closed["required"]) == sorted(closed["properties"])


async def test_every_kind_of_claim_has_the_published_shape(court: Court) -> None:
    await court.judge(dark_life())
    await send_due(court.engine, FakeGateway(), FILED)
    await court.judge(dark_life(richer()), FILED + HOUR)
    await court.judge(bright_life(), FILED + 2 * HOUR)
    await court.decide((await court.case()).case_key, "withdraw", FILED + 3 * HOUR)

    texts = {claim.kind: claim.body for row in await court.cases() for claim in row.claims}
    assert set(texts) == {"refund", "supplement", "withdrawal"}
    for text in texts.values():
        assert problems(text) == []
        assert shape_problems(text.encode()) == []


async def test_a_refund_carries_every_term_the_alternatives_and_the_days(court: Court) -> None:
    await court.judge(dark_life())

    message = json.loads((await court.case()).claims[0].body)

    assert message["amount_minor"] == 280_000
    terms = message["terms"]
    assert 480_000 - 480_000 * terms["lessons_used"] // terms["lessons"] == message["amount_minor"]
    assert message["alternatives"] == {"makeup_lessons": 2, "bonus_lessons": 1, "validity_extended_s": 176_400}
    assert message["outage"] == {
        "starts_at": "2026-11-02T11:00:00.000Z",
        "ends_at": "2026-11-04T12:00:00.000Z",
        "span_s": 176_400,
        "domains": ["provider:agora"],
    }
    assert message["due"] == {"target": "2026-11-10", "limit": "2026-11-12", "is_provisional": False}
    assert message["policy"]["rule_version"] == POLICY.rule_version
    assert message["evidence"]["url"] == f"https://qos.example/v1/bundles/{message['evidence']['sha256']}"
    assert message["reason"]["en"].startswith(
        "From 2026-11-02 19:00 to 2026-11-04 20:00, 49 h 0 min in a row, technical trouble on the platform's side "
        "kept the learner from attending normally. In proportion to the lessons left, CNY 2800.00 is owed."
    )
    assert message["reason"]["zh"] == (
        "因平台方技术故障,学员自2026-11-02 19:00至2026-11-04 20:00连续49小时0分钟无法正常上课。"
        "按剩余课时比例,应退款CNY 2800.00。"
    )


async def test_the_largest_case_still_makes_a_message_under_20_kb_with_its_amount_whole(court: Court) -> None:
    await court.judge(dark_life())
    row = await court.case()
    long = "课" * 200  # as long as an id may be, in three bytes each
    body = dict(row.body)
    body["why"] = long * 20
    body["outage"] = {**body["outage"], "domains": [f"node:{long}{index}" for index in range(200)]}
    terms = {**body["terms"], "class_ids": [f"{long}{index}" for index in range(500)], "formula": long * 10}
    body["terms"] = terms
    huge = replace(row, learner_id=long, enrolment_id=long, body=MappingProxyType(body))
    earlier = [
        {
            "claim_key": f"{row.case_key}-{index + 2}",
            "kind": "compensation",
            "tier": "T3",
            "amount_minor": None,
            "currency": None,
            "state": "accepted",
            "class_ids": [long] * 20,
        }
        for index in range(100)
    ]

    text = compose(replace(a_claim(huge), already_claimed=earlier), POLICY, "https://qos.example")

    message = json.loads(text)
    assert len(text.encode()) < BYTES_MAX
    assert (message["amount_minor"], message["is_cut"], message["learner_id"]) == (280_000, True, long)
    assert message["terms"]["paid_minor"] == 480_000
    assert problems(text) == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    ids=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200), max_size=80),
    why=st.text(st.characters(exclude_categories=["Cs"]), max_size=4_000),
    amount=st.integers(0, 10**12),
)
async def test_any_words_and_ids_make_a_message_of_the_published_shape(
    court: Court, ids: list[str], why: str, amount: int
) -> None:
    if not await court.cases("refund"):
        await court.judge(dark_life())
    row = await court.case()
    body = MappingProxyType({**row.body, "why": why, "terms": {**row.body["terms"], "class_ids": ids}})

    text = compose(a_claim(replace(row, body=body, amount_minor=amount)), POLICY, "https://qos.example")

    assert len(text.encode()) < BYTES_MAX
    assert problems(text) == []
    assert canonical(json.loads(text)) == text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (280_000, "CNY", "CNY 2800.00"),
        (5, "CNY", "CNY 0.05"),
        (42_359, "JPY", "JPY 42359"),
        (1_234, "KWD", "KWD 1.234"),
    ],
)
def test_an_amount_is_written_with_the_exponent_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert written(minor, currency) == text


async def test_a_yen_amount_is_sent_as_whole_yen(court: Court) -> None:
    await court.judge(dark_life(enrolment(price=59_800, lessons=24, used=7, currency="JPY")))

    message = json.loads((await court.case()).claims[0].body)

    assert (message["amount_minor"], message["currency"]) == (42_359, "JPY")
    assert "JPY 42359" in message["reason"]["en"]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"extra": 1}, ["extra: is not a key of a claim"]),
        ({"kind": "gift"}, ["kind: is not what the schema wants"]),
        ({"version": "1"}, ["version: is not what the schema wants"]),
        ({"is_cut": 1}, ["is_cut: is not what the schema wants"]),
    ],
)
async def test_the_check_without_a_library_finds_what_the_schema_finds(
    court: Court, change: dict[str, object], wanted: list[str]
) -> None:
    await court.judge(dark_life())
    message = json.loads((await court.case()).claims[0].body) | change

    assert shape_problems(json.dumps(message).encode()) == wanted
    assert problems(json.dumps(message)) != []
