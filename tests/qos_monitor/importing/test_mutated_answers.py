"""Answers of other systems gone wrong (OneRoster REST, NRPS, roster JSON): rows or problems, and never a failure."""

import json
import random
from collections.abc import Callable
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st
from roster_server import small_school
from yarl import URL

from qos_monitor import documents, identities
from qos_monitor.importing import nrps, oneroster_rest
from qos_monitor.importing.credentials import token_of
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.oneroster_records import TABLES, Mapped
from qos_monitor.importing.remote import Answer
from rules.document import Invalid
from rules.world import read_roster

SCHOOL = small_school()
MEMBERS = {
    "id": "https://lms.school.example/nrps",
    "context": {"id": "c", "label": "7b", "title": "Maths"},
    "members": [
        {"status": "Active", "user_id": "u1", "roles": ["Learner"], "email": "u1@school.example"},
        {"user_id": "t1", "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"]},
        {"status": "Deleted", "user_id": "u2", "roles": []},
    ],
}
ROSTER = {
    "courses": [{"id": "math", "title": "Mathematics", "visual_essential": False}],
    "enrolments": [
        {
            "id": "e1",
            "learner_id": "u1",
            "course_id": "math",
            "starts_at": "2026-09-01T00:00:00Z",
            "price_minor": 480000,
            "paid_minor": 480000,
            "currency": "CNY",
            "lessons_paid": 48,
            "lessons_gift": 0,
            "lessons_used_before": 0,
            "price_refunded_minor": 0,
        }
    ],
    "classes": [
        {
            "id": "c1",
            "course_id": "math",
            "starts_at": "2026-11-02T11:00:00Z",
            "ends_at": "2026-11-02T12:00:00Z",
            "provider": "agora",
            "teacher_id": "t1",
            "learner_ids": ["u1"],
            "cancelled": {"at": "2026-11-01T00:00:00Z", "by": "platform", "technical": False},
        }
    ],
}
IDENTITIES = {"identities": [{"provider": "agora", "name": "7", "person_id": "u1"}]}
ODD: list[object] = [
    None,
    True,
    -1,
    2**70,
    1e308,
    "",
    "  ",
    "a,b",
    "\x00",
    "\ud7ff\U0010ffff",
    "2026-13-40",
    "9999-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00+14:00",
    [],
    {},
    [[]],
    {"sourcedId": 7},
    {"sourcedId": ""},
]


def gone_wrong(document: object, seed: int) -> object:
    """Put odd values in, take keys and entries out, repeat entries; sometimes the text itself is cut or spoilt."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    document = deepcopy(document)
    for _ in range(chance.randint(1, 4)):
        spoil(document, chance)
    if chance.randrange(4):
        return document
    text = bytearray(json.dumps(document).encode())
    text[chance.randrange(len(text))] = chance.randrange(256)
    try:
        return documents.decoded(bytes(text[: chance.choice([len(text), chance.randrange(len(text))])]))
    except Invalid:
        return document


def spoil(document: object, chance: random.Random) -> None:
    """Change one place, found by walking down at random."""
    while isinstance(document, dict | list) and document:
        key = chance.choice(sorted(document) if isinstance(document, dict) else [*range(len(document))])
        below = document[key]
        if isinstance(below, dict | list) and below and chance.randrange(8):
            document = below
            continue
        if isinstance(document, list) and chance.randrange(3) == 0:
            document.append(deepcopy(chance.choice(document)))
        elif chance.randrange(4) == 0:
            del document[key]
        else:
            document[key] = deepcopy(chance.choice(ODD))
        return


def answered(read: Callable[[], object]) -> bool:
    """Say whether there was an outcome; if not, problems were told."""
    try:
        read()
    except Invalid as invalid:
        if not invalid.problems:
            raise AssertionError from invalid
        return False
    return True


def read_school(school: object) -> None:
    """Take each collection as one page of a server that tells no total, and read them."""
    records = {}
    for name in TABLES:
        page = school.get(name) if isinstance(school, dict) else None
        collection = oneroster_rest.Collection(name, 1000, [], set())
        collection.take(Answer({name: page}, {"next": URL("https://s.example/")}, None), name)
        records[name] = collection.rows
    draft, groups, lines = oneroster_rest.read(records, Mapped())
    draft.roster()
    assert groups is not None
    oneroster_rest.as_delivery(lines)


def read_members(page: object) -> None:
    draft = Draft()
    nrps.read([page], "user_id", draft)
    draft.roster()


def test_the_answers_are_good_before_they_go_wrong() -> None:
    for read in (
        lambda: read_school(SCHOOL),
        lambda: read_members(MEMBERS),
        lambda: read_roster(ROSTER),
        lambda: identities.read(IDENTITIES),
    ):
        read()


@given(st.integers(min_value=0))
def test_records_over_rest_gone_wrong_give_rows_or_problems(seed: int) -> None:
    answered(lambda: read_school(gone_wrong(SCHOOL, seed)))


@given(st.integers(min_value=0))
def test_members_gone_wrong_give_people_or_problems(seed: int) -> None:
    answered(lambda: read_members(gone_wrong(MEMBERS, seed)))


@given(st.integers(min_value=0))
def test_a_roster_gone_wrong_gives_rows_or_problems(seed: int) -> None:
    answered(lambda: read_roster(gone_wrong(ROSTER, seed)))


@given(st.integers(min_value=0))
def test_identities_gone_wrong_give_rows_or_problems(seed: int) -> None:
    answered(lambda: identities.read(gone_wrong(IDENTITIES, seed)))


@given(st.integers(min_value=0))
def test_an_answer_for_a_token_gone_wrong_gives_a_token_or_none(seed: int) -> None:
    good = {"access_token": "abc", "token_type": "Bearer", "expires_in": 3600, "scope": "s"}
    token = token_of(gone_wrong(good, seed), 0)
    assert token is None or token.value
