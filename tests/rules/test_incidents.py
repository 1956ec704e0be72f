"""Faulty windows that widen an outage, and what they are not taken across (SPEC 6)."""

from rules_school import (
    NO_CROWD,
    When,
    crowd,
    enrolment,
    hours,
    judged,
    kept_out,
    lesson,
    local,
    outages_found,
    outages_of,
    school,
    seen,
)

from rules.span import HOUR

MON = lesson("mon")
A, B = MON.starts_at, MON.ends_at


def _login_fault(*when: When) -> list[tuple[float, str]]:
    tue = lesson("tue", "Tue 19:00")
    others = sum((crowd(begins, 6, 6, {"login": "sso"}) for begins in when), NO_CROWD)
    world = school([tue, *others.classes], kept_out(tue, blames="login") + others.observations)
    return outages_of(judged(world))


def test_faulty_windows_exactly_twelve_hours_apart_are_one_incident() -> None:
    assert _login_fault("Tue 07:00", "Tue 19:30") == [(13, "not_yet")]
    assert _login_fault("Tue 06:30", "Tue 19:30") == [(1, "not_yet")]  # 12:30 h apart, the second only touches


def test_an_incident_is_not_taken_across_a_recovery_that_speaks_for_its_domain() -> None:
    tue = lesson("tue", "Tue 19:00")
    others = sum((crowd(begins, 6, 6, {"login": "sso"}) for begins in ("Tue 08:00", "Tue 19:00")), NO_CROWD)
    passed = seen("check_passed", "Tue 12:00", domains={"provider": "livekit"})
    observations = kept_out(tue, blames="login") + others.observations

    (free,) = outages_found([tue, *others.classes], observations)
    (held,) = outages_found([tue, *others.classes], [*observations, passed])

    assert (free.starts_at, held.starts_at) == (local("Tue 08:00"), local("Tue 12:00:01"))


def test_an_incident_is_not_taken_before_the_enrolment_began() -> None:
    tue = lesson("tue", "Tue 19:00")
    others = sum((crowd(begins, 6, 6, {"login": "sso"}) for begins in ("Tue 08:00", "Tue 19:00")), NO_CROWD)
    bought = [enrolment(starts_at="Tue 15:00")]
    world = school([tue, *others.classes], kept_out(tue, blames="login") + others.observations, enrolments=bought)

    assert [o.starts_at for o in judged(world).outages if o.learner_id == "u1"] == [local("Tue 15:00")]


def test_a_healthy_window_parts_two_incidents() -> None:
    tue = lesson("tue", "Tue 19:00")
    faulty = sum((crowd(begins, 6, 6, {"login": "sso"}) for begins in ("Tue 08:00", "Tue 19:00")), NO_CROWD)
    others = faulty + crowd("Tue 10:00", 20, 0, {"login": "sso"})

    (outage,) = outages_found([tue, *others.classes], kept_out(tue, blames="login") + others.observations)

    assert outage.starts_at == local("Tue 19:00")


def test_outages_that_overlap_once_widened_are_one() -> None:
    mon, fri = lesson("mon", "Mon 21:00"), lesson("fri", "Fri 19:00")  # too far apart to be joined
    own = kept_out(mon, blames="account") + kept_out(fri, blames="login")
    when = [local("Mon 20:00") + number * 12 * HOUR for number in range(8)]
    others = sum((crowd(begins, 6, 6, {"login": "sso"}) for begins in (*when, fri.starts_at)), NO_CROWD)

    apart = outages_found([mon, fri], own)
    together = outages_found([mon, fri, *others.classes], own + others.observations)

    assert [hours(outage) for outage in apart] == [1, 1]
    assert [(outage.starts_at, hours(outage)) for outage in together] == [(local("Mon 20:00"), 96)]
    assert together[0].domains == ("account:u1", "login")
