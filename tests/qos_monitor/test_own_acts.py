"""What the school did itself is never a provider's fault: from raw bodies to verdicts, cases and proofs."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest
from claim_parts import Court, life
from collector_specimens import agora_notice, livekit_event
from rules_school import POLICY, Said, judged, lesson, on_weekdays, record_of, school, seen, told
from service_parts import row
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from trtc_specimen import trtc_notice

from collectors.agora import Agora
from collectors.contract import Collector
from collectors.livekit import LiveKit
from collectors.removals import REASONS
from collectors.trtc import Trtc
from qos_monitor import backend, reading
from qos_monitor.claims import bundle
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import bundles, deliveries, observations, verdicts
from rules.span import HOUR, MINUTE, SECOND, Instant, format_instant

READERS: Mapping[str, Collector] = {
    "agora": Agora(("s" * 16,)),
    "livekit": LiveKit((("key", "s" * 32),)),
    "trtc": Trtc(("s" * 16,)),
    backend.PROVIDER: backend.Evidence(),
}
CLASS = lesson("c1")
START = CLASS.starts_at
KICKED_AT = START + 20 * MINUTE
FIRM = CLASS.ends_at + 6 * HOUR


def agora(joined: Instant, left: Instant) -> list[tuple[str, object]]:
    come = agora_notice(103, channelName="r1", account="u1", ts=joined // SECOND, clientSeq=joined)
    gone = agora_notice(104, channelName="r1", account="u1", ts=left // SECOND, clientSeq=left, reason=3)
    return [("agora", come), ("agora", gone)]


def livekit(joined: Instant, left: Instant, reason: str = "PARTICIPANT_REMOVED") -> list[tuple[str, object]]:
    come = livekit_event("participant_joined", createdAt=str(joined // SECOND))
    gone = livekit_event("participant_left", {"disconnectReason": reason}, createdAt=str(left // SECOND))
    return [("livekit", come), ("livekit", gone)]


def trtc(joined: Instant, left: Instant) -> list[tuple[str, object]]:
    come = trtc_notice(103, RoomId="r1", EventTs=joined // SECOND, EventMsTs=joined)
    gone = trtc_notice(104, RoomId="r1", EventTs=left // SECOND, EventMsTs=left, Reason=3)
    return [("trtc", come), ("trtc", gone)]


def kick(reason: str, at: Instant = KICKED_AT, name: str = "k1") -> tuple[str, object]:
    said = {"id": name, "kind": "kicked", "class_id": "c1", "learner_id": "u1", "reason": reason}
    return (backend.PROVIDER, {**said, "at": format_instant(at)})


async def receive(court: Court, bodies: Iterable[tuple[str, object]], at: Instant) -> None:
    """Store raw bodies, read them, and judge what is due."""
    async with storage.writing(court.engine) as conn:
        before = len((await conn.execute(select(deliveries.c.seq))).all())
        rows = [
            row(
                deliveries,
                provider=provider,
                minute=0,
                event_id=str(before + place),
                received_at=at,
                headers="{}",
                body=json.dumps(body).encode(),
            )
            for place, (provider, body) in enumerate(bodies)
        ]
        await conn.execute(deliveries.insert(), rows)
    await reading.read_waiting(court.engine, READERS, at)
    await court.catch_up(at)


async def verdict(court: Court) -> str:
    async with storage.reading(court.engine) as conn:
        body = json.loads((await conn.execute(select(verdicts.c.body).where(verdicts.c.current))).scalar_one())
    return " ".join(str(body[key]) for key in ("verdict", "by", "grade", "domain") if body[key] is not None)


async def sitting(engine: AsyncEngine, provider: str) -> Court:
    court = Court(engine)
    scheduled = lesson("c1", provider=provider)
    roster = school([replace(scheduled, room_id="r1")])
    await court.enrol(life(roster.classes, (), roster.enrolments))
    return court


PROVIDERS = [
    ("agora", agora(START, KICKED_AT)),
    ("livekit", livekit(START, KICKED_AT)),
    ("livekit", livekit(START, KICKED_AT, "ROOM_DELETED")),
    ("trtc", trtc(START, KICKED_AT)),
]
ANSWERS = {
    "conduct": "ATTENDED",
    "duplicate_login": "ATTENDED",
    "class_over": "UNABLE_PLATFORM platform A class:c1",
    "moved": "UNABLE_PLATFORM platform A class:c1",
    "mistake": "UNABLE_PLATFORM platform A account:u1",
}


@pytest.mark.parametrize(("provider", "bodies"), PROVIDERS)
async def test_a_removal_through_an_api_is_the_schools_own_whoever_carried_it_out(
    embedded: AsyncEngine, provider: str, bodies: Sequence[tuple[str, object]]
) -> None:
    court = await sitting(embedded, provider)

    await receive(court, bodies, START + HOUR)
    await court.catch_up(FIRM)
    assert await verdict(court) == "UNKNOWN"

    for place, reason in enumerate(sorted(REASONS)):
        async with storage.writing(embedded) as conn:
            await conn.execute(observations.delete().where(observations.c.source == "backend"))
        await receive(court, [kick(reason, name=str(place))], FIRM + place)
        assert await verdict(court) == ANSWERS[reason]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::2])
async def test_it_does_not_matter_which_is_told_first(embedded: AsyncEngine, order: Sequence[int]) -> None:
    court = await sitting(embedded, "livekit")
    bodies = [*livekit(START, KICKED_AT), kick("mistake", KICKED_AT - 2 * SECOND)]

    for later, place in enumerate(order):
        await receive(court, [bodies[place]], FIRM + later)
    await receive(court, bodies, FIRM + HOUR)

    assert await verdict(court) == "UNABLE_PLATFORM platform A account:u1"


async def test_the_service_says_what_judge_says_of_the_same_leave_worded_by_the_provider(embedded: AsyncEngine) -> None:
    court = await sitting(embedded, "livekit")
    await receive(court, [*livekit(START, KICKED_AT), kick("mistake", KICKED_AT + SECOND)], START + HOUR)
    await court.catch_up(FIRM)

    domains = {"provider": "livekit", "region": "ap-south-1"}
    stay = Said(source="livekit", session="PA_one", domains=domains)
    ours = Said(**stay, fault="platform", blames="account")
    by_hand = [
        seen("joined", START, CLASS, **stay),
        seen("left", KICKED_AT, CLASS, **ours),
    ]
    whole = judged(school([lesson("c1", provider="livekit")], by_hand), FIRM, POLICY, on_weekdays)

    assert await verdict(court) == told(whole, "c1")
    async with storage.reading(embedded) as conn:
        body = json.loads((await conn.execute(select(verdicts.c.body).where(verdicts.c.current))).scalar_one())
    assert body == json.loads(json.dumps(record_of(whole, "c1").as_json()))


async def test_the_proof_of_a_case_holds_the_removal_and_recomputes(embedded: AsyncEngine) -> None:
    court = await sitting(embedded, "livekit")

    await receive(court, [*livekit(START, KICKED_AT), kick("mistake")], START + HOUR)
    await court.catch_up(FIRM)

    async with storage.reading(embedded) as conn:
        bodies = (await conn.execute(select(bundles.c.body).order_by(bundles.c.seq))).scalars().all()
    assert bodies
    assert [bundle.verify(body.encode()) for body in bodies] == [[]] * len(bodies)
    held = json.loads(bodies[-1])["dossier"]["observations"]
    assert {(one["id"], one["code"]) for one in held} >= {("backend:kicked:k1", "kicked: mistake")}


async def test_a_token_issued_to_somebody_who_never_came_in_is_an_attempt(embedded: AsyncEngine) -> None:
    court = await sitting(embedded, "livekit")
    said = {"id": "t1", "kind": "token_issued", "class_id": "c1", "learner_id": "u1", "at": format_instant(START)}

    await court.catch_up(FIRM)
    assert await verdict(court) == "NO_SHOW"
    await receive(court, [(backend.PROVIDER, said)], FIRM)

    assert await verdict(court) == "UNKNOWN"


async def test_a_token_that_let_them_in_changes_nothing(embedded: AsyncEngine) -> None:
    court = await sitting(embedded, "livekit")
    said = {"id": "t1", "class_id": "c1", "learner_id": "u1", "at": format_instant(START - 10 * SECOND)}
    asked = [(backend.PROVIDER, {**said, "kind": kind}) for kind in ("token_issued", "join_clicked")]

    await receive(court, [*livekit(START, CLASS.ends_at, "CLIENT_INITIATED"), *asked], FIRM)

    assert await verdict(court) == "ATTENDED"
