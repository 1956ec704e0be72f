"""What counts is what was known at the instant of judging, one copy of each observation (SPEC 2, 10)."""

from dataclasses import replace

from rules_school import cancelled, judged, kept_out, lesson, present, school, seen, told

from rules.observation import Observation, chosen
from rules.span import HOUR, MINUTE

MON = lesson("mon")
A, B = MON.starts_at, MON.ends_at


def test_an_observation_recorded_later_is_not_known() -> None:
    (failure,) = kept_out(MON, recorded_at=B + 2 * HOUR)
    world = school([MON], [failure])

    assert told(judged(world, B + 2 * HOUR - 1), "mon") == "NO_SHOW"
    assert told(judged(world, B + 2 * HOUR), "mon") == "UNABLE_PLATFORM platform A provider:agora"


def test_an_observation_that_does_not_say_was_recorded_when_it_ended() -> None:
    feed = seen("feed_alive", A, None, None, until=B + HOUR)
    short = seen("feed_alive", A, None, None, until=A + MINUTE)

    assert told(judged(school([MON], [feed, short]), B + HOUR - 1), "mon") == "UNKNOWN"
    assert told(judged(school([MON], [feed, short]), B + HOUR), "mon") == "NO_SHOW"


def test_a_cancellation_told_after_the_instant_is_not_known() -> None:
    row = lesson("mon", minutes=600, cancelled=cancelled(A + 9 * HOUR, "mutual"))
    other = lesson("short")
    world = school([row, other], present(row))

    assert judged(world, A + 9 * HOUR - 1).records[0].class_id == "short"
    assert told(judged(world), "mon") == "CANCELLED"


def test_judging_an_instant_again_later_answers_as_it_would_have_then() -> None:
    wed = lesson("wed", "Wed 19:00")
    early = school([MON], kept_out(MON))
    late = school([MON, wed], [*kept_out(MON), *kept_out(wed)])

    then, again = judged(early, "Tue 12:00"), judged(late, "Tue 12:00")

    assert then.records == again.records
    assert then.cases == again.cases


def _copies(first: str, second: str, *, first_at: int | None = None, second_at: int | None = None) -> str:
    """Judge with two differing copies of one failure, in both orders."""

    def copy(fault: str, recorded_at: int | None) -> Observation:
        made = seen("join_failed", A, MON, id="same", fault=fault)
        return replace(made, recorded_at=recorded_at)

    pair = [copy(first, first_at), copy(second, second_at)]
    answers = {told(judged(school([MON], copies)), "mon") for copies in (pair, pair[::-1], pair * 2)}
    assert len(answers) == 1
    return answers.pop()


def test_of_differing_copies_the_one_recorded_first_counts() -> None:
    assert _copies("platform", "learner", first_at=A + 1, second_at=A + 2).startswith("UNABLE_PLATFORM")
    assert _copies("platform", "learner", first_at=A + 2, second_at=A + 1).startswith("UNABLE_LEARNER")
    assert _copies("platform", "learner", second_at=A + 1).startswith("UNABLE_PLATFORM")


def test_of_copies_recorded_at_once_the_one_whose_text_sorts_first_counts() -> None:
    assert _copies("platform", "learner").startswith("UNABLE_LEARNER")  # "learner" sorts before "platform"


def test_the_same_id_of_another_source_is_another_observation() -> None:
    pair = [seen("joined", A, MON, id="x", source=source, session="s") for source in ("agora", "app")]

    assert len(chosen(pair)) == 2


def test_a_copy_recorded_too_late_does_not_hide_the_one_that_is_known() -> None:
    known = seen("join_failed", A, MON, id="same", fault="platform", recorded_at=B)
    late = seen("join_failed", A, MON, id="same", fault="learner", recorded_at=B + 9 * HOUR)

    assert told(judged(school([MON], [late, known])), "mon").startswith("UNABLE_PLATFORM")
