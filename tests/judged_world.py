"""A world file of any size for benchmarks: ten days, ten learners to a class, one group in a hundred kept out."""

import json
from collections.abc import Iterator

from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant

START: Instant = parse_instant("2026-11-02T01:00:00Z")
DAYS, ROOM, HOURS, HIT = 10, 10, 10, 100  # one group in so many is kept out from the third day to the fifth
OBSERVATIONS_A_PAIR = 6
COURSE = {"id": "math", "title": "Math", "visual_essential": False}


def world(observations: int) -> Iterator[str]:
    """Write a world of about so many observations as pieces of JSON; every learner has one class of 40 min a day."""
    groups = range(max(1, observations // (DAYS * ROOM * OBSERVATIONS_A_PAIR)))
    yield f'{{"courses": [{json.dumps(COURSE)}], "enrolments": ['
    yield ",".join(json.dumps(one) for group in groups for one in _bought(group))
    yield '], "classes": ['
    yield ",".join(json.dumps(_class(group, day)) for group in groups for day in range(DAYS))
    yield '], "observations": ['
    first = True
    for group in groups:
        for day in range(DAYS):
            for one in _seen(group, day):
                yield ("" if first else ",") + json.dumps(one)
                first = False
    yield "]}"


def of_one_group_hit() -> dict[str, object]:
    """Give the world of ten learners who were all kept out for more than 48 hours."""
    group = HIT - 1
    seen = [one for day in range(DAYS) for one in _seen(group, day)]
    planned = [_class(group, day) for day in range(DAYS)]
    return {"courses": [COURSE], "enrolments": list(_bought(group)), "classes": planned, "observations": seen}


def _bought(group: int) -> Iterator[dict[str, object]]:
    for number in range(group * ROOM, group * ROOM + ROOM):
        of: dict[str, object] = {"id": f"e{number}", "learner_id": f"u{number}", "course_id": "math"}
        of |= {"starts_at": "2026-09-01T00:00:00Z", "price_minor": 480_000, "paid_minor": 480_000, "currency": "CNY"}
        rest = {"lessons_paid": 48, "lessons_gift": 0, "lessons_used_before": 4, "price_refunded_minor": 0}
        yield of | rest | {"contract_refund_minor": None}


def _starts_at(group: int, day: int) -> Instant:
    return START + day * DAY + group % HOURS * HOUR


def _class(group: int, day: int) -> dict[str, object]:
    starts_at = _starts_at(group, day)
    of: dict[str, object] = {"id": f"c{group}-{day}", "course_id": "math", "provider": "agora", "teacher_id": "t1"}
    of |= {"starts_at": format_instant(starts_at), "ends_at": format_instant(starts_at + 40 * MINUTE)}
    return of | {"learner_ids": [f"u{group * ROOM + seat}" for seat in range(ROOM)]}


def _seen(group: int, day: int) -> Iterator[dict[str, object]]:
    start, is_out = _starts_at(group, day), group % HIT == HIT - 1 and 2 <= day <= 4
    for seat in range(ROOM):
        learner = f"u{group * ROOM + seat}"
        of: dict[str, object] = {"source": "agora", "class_id": f"c{group}-{day}", "participant_id": learner}
        of |= {"role": "learner", "vantage": "server", "session": f"s-{learner}-{day}"}
        of |= {"domains": {"node": f"node-{group % HIT}"}}

        def told(kind: str, at: Instant, of: dict[str, object] = of, **more: object) -> dict[str, object]:
            return of | {"id": f"{of['session']}-{kind}-{at}", "kind": kind, "at": format_instant(at), **more}

        if is_out:
            for attempt in range(OBSERVATIONS_A_PAIR):
                yield told("join_failed", start + attempt * 6 * MINUTE, fault="platform")
            continue
        yield told("attempted", start - MINUTE)
        yield told("joined", start - MINUTE + 2 * SECOND)
        for part in range(3):
            at = start + part * 13 * MINUTE
            until = format_instant(at + 13 * MINUTE)
            yield told("quality", at, until=until, metrics={"audio_frozen": 0.01})
        yield told("left", start + 40 * MINUTE)
