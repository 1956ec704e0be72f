"""What a class was for a learner: SPEC 5, with the edge of every share."""

from collections.abc import Iterable

import pytest
from rules_school import (
    When,
    cancelled,
    cases_of,
    crowd,
    dropped,
    judged,
    kept_out,
    lesson,
    local,
    outages_of,
    present,
    received,
    record_of,
    school,
    seen,
    told,
)

from rules.observation import Observation
from rules.span import HOUR, MINUTE, SECOND, Instant
from rules.world import Cancellation, ScheduledClass

CLASS = lesson("c1")
A, B = CLASS.starts_at, CLASS.ends_at


def _told(observations: Iterable[Observation], row: ScheduledClass = CLASS, as_of: When | None = None) -> str:
    return told(judged(school([row], observations), as_of), row.id)


# When


def test_no_verdict_is_listed_before_fifteen_minutes_after_the_class() -> None:
    world = school([CLASS], kept_out(CLASS))

    assert judged(world, B + 15 * MINUTE - 1).records == ()
    assert len(judged(world, B + 15 * MINUTE).records) == 1


def test_a_verdict_is_provisional_until_exactly_six_hours_after_the_class() -> None:
    world = school([CLASS], kept_out(CLASS))

    before, at = judged(world, B + 6 * HOUR - 1), judged(world, B + 6 * HOUR)

    assert (len(before.firm), len(at.firm)) == (0, 1)
    assert (cases_of(before), cases_of(at)) == ([], ["T2 c1"])


# Rule 1: cancelled


def _off(at: Instant, by: str = "platform", *, technical: bool = False) -> ScheduledClass:
    return lesson("c1", cancelled=cancelled(at, by, technical=technical))


def test_called_off_before_it_began_for_a_technical_reason_is_the_platforms_whole_class() -> None:
    row = _off(A - 1, technical=True)

    answer = judged(school([row], present(row)))

    assert told(answer, "c1") == "UNABLE_PLATFORM platform A class:c1"
    assert record_of(answer, "c1").shares.as_json()["lost_platform"] == 1
    assert outages_of(answer)[0][0] == 1


@pytest.mark.parametrize(
    ("by", "technical"), [("platform", False), ("learner", False), ("learner", True), ("mutual", True)]
)
def test_called_off_before_it_began_for_any_other_reason_is_nobodys(by: str, technical: bool) -> None:
    row = _off(A - 1, by, technical=technical)

    answer = judged(school([row], kept_out(row)))

    assert told(answer, "c1") == "CANCELLED"
    assert cases_of(answer) == []


def test_called_off_at_the_start_for_a_technical_reason_loses_every_slot_of_those_who_came() -> None:
    row = _off(A, technical=True)

    assert _told(present(row), row) == "UNABLE_PLATFORM platform A class:c1"
    assert _told([], row) == "NO_SHOW"


def test_called_off_while_it_ran_for_a_technical_reason_loses_the_slots_from_then_on() -> None:
    row = _off(A + 40 * MINUTE, technical=True)

    found = record_of(judged(school([row], present(row))), "c1")

    assert (found.shares.usable, found.shares.lost_platform) == (40 * MINUTE, 20 * MINUTE)
    assert told(judged(school([row], present(row))), "c1") == "DEGRADED platform A class:c1"


def test_called_off_by_the_learner_while_it_ran_changes_nothing() -> None:
    row = _off(A + 40 * MINUTE, "learner", technical=True)

    assert _told(present(row), row) == "ATTENDED"


@pytest.mark.parametrize(("by", "technical"), [("platform", False), ("mutual", True), ("mutual", False)])
def test_called_off_while_it_ran_for_any_other_reason_is_nobodys(by: str, technical: bool) -> None:
    row = _off(B - 1, by, technical=technical)

    assert _told(kept_out(row), row) == "CANCELLED"


@pytest.mark.parametrize("by", ["platform", "mutual", "learner"])
def test_called_off_once_it_is_over_changes_nothing(by: str) -> None:
    assert _told(present(_off(B, by)), _off(B, by)) == "ATTENDED"


def test_a_cancellation_told_later_is_not_yet_known() -> None:
    row = lesson("c1", cancelled=Cancellation(B + HOUR, "mutual", is_technical=False))
    early = lesson("c1", minutes=600, cancelled=cancelled(A + 5 * HOUR, "mutual"))

    assert _told(present(row), row) == "ATTENDED"
    assert told(judged(school([early], present(early)), early.ends_at + 6 * HOUR), "c1") == "CANCELLED"


# Rule 2: nobody came


def _feed(start: Instant, end: Instant, source: str = "agora") -> Observation:
    return seen("feed_alive", start, None, None, until=end, source=source)


def test_no_sign_of_the_learner_is_a_no_show() -> None:
    assert _told([]) == "NO_SHOW"


def test_no_sign_under_a_feed_that_covers_95_percent_is_a_no_show() -> None:
    assert _told([_feed(A + 3 * MINUTE, B)]) == "NO_SHOW"


def test_no_sign_under_a_feed_that_covers_less_is_unknown_and_remedied() -> None:
    answer = judged(school([CLASS], [_feed(A + 3 * MINUTE + 1, B)]))

    assert told(answer, "c1") == "UNKNOWN"
    assert cases_of(answer) == ["T2 c1"]


def test_the_feed_of_another_source_says_nothing() -> None:
    assert _told([_feed(A, A + MINUTE, source="livekit")]) == "NO_SHOW"


def test_a_quality_span_alone_is_no_sign_that_the_learner_came() -> None:
    assert _told([received(CLASS, {"loss": 1})]) == "NO_SHOW"


def test_the_feed_is_not_asked_about_one_who_came() -> None:
    assert _told([_feed(A, A + MINUTE), *present(CLASS)]) == "ATTENDED"


# Rule 3: attended


def _lost_at_the_end(lost: Instant, row: ScheduledClass = CLASS) -> str:
    return _told(dropped(row, row.ends_at - lost, row.learner_ids[0]), row)


def test_eighty_percent_usable_is_attended() -> None:
    assert _lost_at_the_end(12 * MINUTE) == "ATTENDED"
    assert _lost_at_the_end(12 * MINUTE + 10 * SECOND) == "DEGRADED platform A provider:agora"


def test_less_than_five_minutes_lost_is_attended_however_little_was_usable() -> None:
    def come_late(lost: Instant) -> str:
        return _told([*present(CLASS, end=A + 10 * MINUTE), *dropped(CLASS, B - lost, start=B - lost - MINUTE)])

    assert come_late(4 * MINUTE + 50 * SECOND) == "ATTENDED"
    assert come_late(5 * MINUTE) == "UNABLE_LEARNER learner"


def test_unobserved_time_counts_with_the_lost() -> None:
    def unmeasured(minutes: int) -> str:
        stay = present(CLASS, end=A + 20 * MINUTE)
        return _told([*stay, received(CLASS, {}, A + minutes * MINUTE, B)])

    assert unmeasured(4) == "ATTENDED"
    assert unmeasured(5) == "UNABLE_LEARNER learner"


def test_in_a_short_class_a_quarter_takes_the_place_of_five_minutes() -> None:
    short = lesson("c1", minutes=19)

    def lost(length: Instant) -> str:
        end = short.ends_at
        stays = [*present(short, end=A + 5 * MINUTE), *dropped(short, end - length, start=end - length - MINUTE)]
        return _told(stays, short)

    assert lost(4 * MINUTE + 40 * SECOND) == "ATTENDED"
    assert lost(4 * MINUTE + 50 * SECOND) != "ATTENDED"  # a quarter of 19 min is 4:45


def test_a_class_of_twenty_minutes_is_not_short() -> None:
    row = lesson("c1", minutes=20)

    assert _lost_at_the_end(4 * MINUTE + 50 * SECOND, row) == "ATTENDED"
    assert _lost_at_the_end(5 * MINUTE, row) == "DEGRADED platform A provider:agora"


def test_a_class_impaired_for_half_of_it_is_not_attended() -> None:
    def impaired(minutes: int) -> str:
        bad = received(CLASS, {"delay_ms": 900}, A, A + minutes * MINUTE)
        return _told([*present(CLASS), received(CLASS, {}), bad])

    assert (impaired(29), impaired(30)) == ("ATTENDED", "DEGRADED")


def test_one_who_looked_in_and_left_attended() -> None:
    assert _told(present(CLASS, end=A + MINUTE)) == "ATTENDED"


# Rules 4 to 6


def test_more_than_30_percent_unclear_is_unknown() -> None:
    def unclear(lost: Instant) -> str:
        start = A + 35 * MINUTE
        stays = [*present(CLASS, end=A + 10 * MINUTE), *dropped(CLASS, B - lost, start=start, fault="unknown")]
        return _told(stays)

    assert unclear(18 * MINUTE) == "UNABLE_LEARNER learner"
    assert unclear(18 * MINUTE + 10 * SECOND) == "UNKNOWN"


def test_half_usable_is_clear_enough_and_degraded() -> None:
    assert _told(dropped(CLASS, A + 30 * MINUTE, fault="unknown")) == "DEGRADED"
    assert _told(dropped(CLASS, A + 29 * MINUTE, fault="unknown")) == "UNKNOWN"


def test_half_lost_by_the_platform_is_clear_enough_and_unable() -> None:
    def half(minutes: int) -> str:
        known = dropped(CLASS, A, start=A - MINUTE, session="one")
        stay = dropped(CLASS, A + minutes * MINUTE + MINUTE, start=A + minutes * MINUTE, fault="unknown", session="two")
        return _told([*known, *stay])

    assert half(30) == "UNABLE_PLATFORM platform A provider:agora"
    assert half(29) == "UNKNOWN"


def _platform_learner_and_nobody(platform: int, learner: int, nobody: int) -> str:
    """Lose these minutes of the class one after the other, each followed by a minute in the room."""
    observations, at = [], A
    for minutes, fault in ((platform, "platform"), (learner, "learner"), (nobody, "unknown")):
        if minutes:
            observations.append(seen("join_failed", at + SECOND, CLASS, fault=fault))
            observations += present(CLASS, start=at + minutes * MINUTE, end=at + (minutes + 1) * MINUTE)
            at += (minutes + 1) * MINUTE
    return _told([*observations, *present(CLASS, start=at)])


def test_degraded_is_blamed_on_whoever_holds_most_of_it() -> None:
    assert _platform_learner_and_nobody(16, 14, 0) == "DEGRADED platform A provider:agora"
    assert _platform_learner_and_nobody(14, 16, 0) == "DEGRADED learner A"
    assert _platform_learner_and_nobody(9, 9, 10) == "DEGRADED"


def test_degraded_in_equal_parts_is_the_platforms_first_and_the_learners_last() -> None:
    assert _platform_learner_and_nobody(10, 10, 0) == "DEGRADED platform A provider:agora"
    assert _platform_learner_and_nobody(0, 10, 10) == "DEGRADED"
    assert _platform_learner_and_nobody(9, 9, 9) == "DEGRADED platform A provider:agora"


def test_unable_in_equal_parts_is_the_platforms() -> None:
    assert _platform_learner_and_nobody(25, 25, 0) == "UNABLE_PLATFORM platform A provider:agora"
    assert _platform_learner_and_nobody(24, 26, 0) == "UNABLE_LEARNER learner A"


def test_time_away_counts_with_the_learners() -> None:
    assert _told([*present(CLASS, end=A + 10 * SECOND), *kept_out(CLASS, start=A + 30 * MINUTE)]) != "NO_SHOW"
    assert _told([seen("join_failed", A + 31 * MINUTE, CLASS, fault="platform")]) == "UNABLE_LEARNER learner"
    assert _told([seen("join_failed", A + 30 * MINUTE, CLASS, fault="platform")]).startswith("UNABLE_PLATFORM")


def test_undetermined_time_larger_than_both_is_unknown() -> None:
    # 18 minutes are 30 % of the class and not more, so that the last rule decides.
    assert _platform_learner_and_nobody(17, 17, 18) == "UNKNOWN"
    assert _platform_learner_and_nobody(18, 17, 18) == "UNABLE_PLATFORM platform A provider:agora"
    assert _platform_learner_and_nobody(17, 18, 18) == "UNABLE_LEARNER learner A"


# Grade and domain


def test_the_grade_and_domain_are_those_that_hold_most_of_what_is_blamed() -> None:
    domains = {"provider": "agora", "node": "bj-7"}
    one = seen("join_failed", A, CLASS, fault="platform", blames="node", domains=domains, vantage="client")
    stay = present(CLASS, start=A + 31 * MINUTE, end=A + 31 * MINUTE + 20 * SECOND)
    two = seen("join_failed", A + 31 * MINUTE + 21 * SECOND, CLASS, fault="platform")

    assert _told([one, *stay, two]) == "UNABLE_PLATFORM platform C node:bj-7"


def test_of_equal_times_the_better_grade_and_then_the_name_is_told() -> None:
    def halves(first: str, second: str, blames: str) -> str:
        domains = {"provider": "agora", "node": "bj-7"}
        one = seen("join_failed", A, CLASS, fault="platform", vantage=first, domains=domains)
        stay = present(CLASS, start=A + 29 * MINUTE, end=A + 31 * MINUTE)
        again = A + 31 * MINUTE + SECOND
        two = seen("join_failed", again, CLASS, fault="platform", vantage=second, blames=blames, domains=domains)
        return _told([one, *stay, two])

    assert halves("client", "server", "provider") == "UNABLE_PLATFORM platform A provider:agora"
    assert halves("server", "server", "node") == "UNABLE_PLATFORM platform A node:bj-7"


@pytest.mark.parametrize(
    ("blames", "domains", "expected"),
    [
        (None, {"provider": "agora"}, "provider:agora"),
        (None, {}, "provider:agora"),
        (None, {"provider": "other"}, "provider:other"),
        ("node", {"node": "bj-7"}, "node:bj-7"),
        ("node", {}, "provider:agora"),
        ("login", {"login": "sso"}, "login"),
        ("login", {}, "login"),
        ("account", {}, "account:u1"),
        ("class", {}, "class:c1"),
        ("teacher", {}, "teacher:t1"),
        ("region", {"region": "north"}, "region:north"),
        ("client", {"client": "ios-9"}, "client:ios-9"),
    ],
)
def test_a_fault_lies_with_the_dimension_it_blames(blames: str | None, domains: dict[str, str], expected: str) -> None:
    failure = (
        seen("join_failed", A, CLASS, fault="platform", domains=domains)
        if blames is None
        else seen("join_failed", A, CLASS, fault="platform", domains=domains, blames=blames)
    )

    assert _told([failure]) == f"UNABLE_PLATFORM platform A {expected}"


def test_a_verdict_says_in_one_sentence_what_it_rests_on() -> None:
    others = crowd("Mon 19:00", 24, 0)
    own = dropped(CLASS, local("Mon 19:20"), fault="unknown")

    why = record_of(judged(school([CLASS, *others.classes], own + others.observations)), "c1").why

    assert why == (
        "Of the class 33.33 % usable, 66.67 % lost with no one shown to be at fault. 24 other learners shared a domain "
        "with this one at that time; they do not tell whose fault it was."
    )
