"""What is answered for an outage: owed, review, not yet, clear (SPEC 6)."""

from rules_school import (
    NO_CROWD,
    cases_of,
    crowd,
    judged,
    kept_out,
    lesson,
    outages_found,
    outages_of,
    school,
    seen,
)

from rules.span import HOUR, MINUTE

MON = lesson("mon")
A, B = MON.starts_at, MON.ends_at


def test_the_clients_word_alone_is_reviewed_and_not_refunded() -> None:
    wed = lesson("wed", "Wed 19:00")
    observations = kept_out(MON, vantage="client") + kept_out(wed, vantage="client")

    answer = judged(school([MON, wed], observations))

    assert outages_of(answer) == [(49, "review")]
    assert cases_of(answer) == ["T3 mon", "review"]
    review = answer.cases[1]
    assert review.terms["stands_if_unanswered"] is False
    assert review.due_target == review.due_limit


def test_a_review_stands_unanswered_where_a_server_saw_one_of_its_classes() -> None:
    wed = lesson("wed", "Wed 19:00")

    answer = judged(school([MON, wed], kept_out(MON) + kept_out(wed, vantage="client")))

    review = next(case for case in answer.cases if case.kind == "review")
    assert review.terms["stands_if_unanswered"] is True
    assert review.amount_minor == 280_000


def test_classes_of_unknown_cause_are_reviewed() -> None:
    wed = lesson("wed", "Wed 19:00")

    answer = judged(school([MON, wed], kept_out(MON) + kept_out(wed, fault="unknown")))

    assert outages_of(answer) == [(1, "review")]
    assert "1 class of unknown cause" in next(case for case in answer.cases if case.kind == "review").why


def test_a_provider_that_was_well_after_a_class_of_unknown_cause_leaves_no_doubt() -> None:
    wed = lesson("wed", "Wed 19:00")
    own = kept_out(MON, fault="unknown") + kept_out(wed, blames="account")
    well = crowd("Tue 12:00", 20, 0) + crowd("Tue 12:30", 20, 0)

    doubted = judged(school([MON, wed], own))
    cleared = judged(school([MON, wed, *well.classes], own + well.observations))

    assert (outages_of(doubted), outages_of(cleared)) == ([(1, "review")], [(1, "not_yet")])


def test_unknown_classes_alone_are_no_outage() -> None:
    wed = lesson("wed", "Wed 19:00")

    answer = judged(school([MON, wed], kept_out(MON, fault="unknown") + kept_out(wed, fault="unknown")))

    assert outages_of(answer) == []
    assert cases_of(answer) == ["T2 mon", "T2 wed"]


def test_a_client_raised_to_grade_b_by_the_cohort_is_owed() -> None:
    wed = lesson("wed", "Wed 19:00")
    node, well = {"provider": "agora", "node": "bj-7"}, {"provider": "agora", "node": "sh-1"}
    others = sum(
        (crowd(begins, 6, 6, node) + crowd(begins, 20, 0, well) for begins in (MON.starts_at, wed.starts_at)), NO_CROWD
    )
    own = [one for row in (MON, wed) for one in kept_out(row, vantage="client", domains=node)]

    answer = judged(school([MON, wed, *others.classes], own + others.observations))

    assert outages_of(answer) == [(49, "owed")]


# Not yet and clear


def test_an_outage_is_owed_once_its_last_class_is_firm() -> None:
    wed = lesson("wed", "Wed 19:00")
    world = school([MON, wed], kept_out(MON) + kept_out(wed))
    firm = wed.ends_at + 6 * HOUR

    before, at = judged(world, firm - 1), judged(world, firm)

    assert (outages_of(before), before.outages[0].look_again_at) == ([(49, "not_yet")], firm)
    assert (outages_of(at), at.outages[0].look_again_at) == ([(49, "owed")], None)


def test_an_outage_is_clear_exactly_192_hours_after_its_end() -> None:
    before, at = (outages_found([MON], kept_out(MON), B + 192 * HOUR + more)[0] for more in (-1, 0))

    assert (before.answer.value, before.look_again_at) == ("not_yet", B + 192 * HOUR)
    assert (at.answer.value, at.look_again_at) == ("clear", None)


def test_an_outage_is_clear_exactly_thirty_minutes_after_a_recovery_began() -> None:
    passed = seen("check_passed", "Tue 12:00")

    before, at = (outages_found([MON], [*kept_out(MON), passed], when)[0] for when in ("Tue 12:29:59.999", "Tue 12:30"))

    assert (before.answer.value, at.answer.value) == ("not_yet", "clear")


def test_a_recovery_that_speaks_for_one_of_two_domains_clears_neither() -> None:
    tue = lesson("tue", "Tue 19:00")
    own = [*kept_out(MON), *kept_out(tue, blames="class")]
    passed = seen("check_passed", "Wed 12:00")

    assert [o.answer.value for o in outages_found([MON, tue], [*own, passed], "Wed 19:00")] == ["not_yet"]


def test_one_looks_again_when_the_next_class_of_the_learner_can_be_judged() -> None:
    thu = lesson("thu", "Thu 19:00")

    (outage,) = outages_found([MON, thu], kept_out(MON), "Wed 12:00")

    assert outage.look_again_at == thu.ends_at + 15 * MINUTE
