"""Cuts a world into the dossiers of its learners, as the service does for its evidence bundles."""

from collections.abc import Iterator

from rules.checks import checks_of
from rules.dossier import Dossier
from rules.evidence import LOGIN, domain
from rules.judge import as_known, class_ends, class_inputs, roster_learners, usual_before
from rules.observation import Observation, Role
from rules.outage import Check
from rules.past import Past
from rules.policy import Policy
from rules.span import Instant
from rules.window import ClassInputs, Surroundings, judge_window, window_of
from rules.world import ScheduledClass, World, enrolment_finder


def dossiers(world: World, as_of: Instant, policy: Policy) -> dict[str, Dossier]:
    """Make the dossier of every learner on the roster, as known at that instant."""
    known = as_known(world, as_of)
    past = Past(policy)
    around = surroundings(known, past, as_of, policy)
    checks = checks_of(known.observations)
    ends = class_ends(known.classes)
    made = {}
    for who in sorted(roster_learners(known)):
        classes = tuple(_alone(row, who) for row in known.classes if who in row.learner_ids)
        observations = tuple(_of_concern(known, who, {row.id for row in classes}))
        names = _names(classes, observations, checks.get(who, ()))
        enrolments = tuple(row for row in known.enrolments if row.learner_id == who)
        made[who] = Dossier(
            learner_id=who,
            roster=World(known.courses, enrolments, classes),
            observations=observations,
            surroundings={class_id: found for (name, class_id), found in around.items() if name == who},
            settled=(),
            class_ends=tuple(ends.get(who, ())),
            windows={name: past.windows(name) for name in names},
        )
    return made


def surroundings(known: World, past: Past, as_of: Instant, policy: Policy) -> dict[tuple[str, str], Surroundings]:
    """Collect what the judgement of each (learner, class) takes from others; ``past`` is filled on the way."""
    inputs = class_inputs(known, policy)
    enrolment_of = enrolment_finder(known.enrolments)
    windows: dict[Instant, list[ClassInputs]] = {}
    for row in known.classes:
        windows.setdefault(window_of(row.starts_at, policy), []).append(inputs[row.id])
    found: dict[tuple[str, str], Surroundings] = {}
    for window, classes in sorted(windows.items()):
        judged = judge_window(classes, usual_before(past, window), enrolment_of, as_of, policy)
        past.add(window, judged.tallies)
        found.update(judged.surroundings)
    return found


def _alone(row: ScheduledClass, who: str) -> ScheduledClass:
    return ScheduledClass(
        row.id,
        row.course_id,
        row.starts_at,
        row.ends_at,
        row.provider,
        row.room_id,
        row.teacher_id,
        (who,),
        row.cancelled,
    )


def _of_concern(known: World, who: str, class_ids: set[str]) -> Iterator[Observation]:
    for seen in known.observations:
        is_own = seen.participant_id == who and seen.role is Role.LEARNER
        if is_own or (seen.role is Role.TEACHER and seen.class_id in class_ids):
            yield seen


def _names(
    classes: tuple[ScheduledClass, ...], observations: tuple[Observation, ...], checks: list[Check] | tuple[Check, ...]
) -> set[str]:
    named = {LOGIN, *(domain("provider", row.provider) for row in classes)}
    named |= {domain(key, value) for seen in observations for key, value in seen.domains.items()}
    return named | {check.cause_domain for check in checks if check.cause_domain is not None}
