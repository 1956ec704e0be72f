"""The law of every reader: whatever bytes come, it answers with rows or with problems, and never fails otherwise."""

import io
import random
import zipfile
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from importing_specimens import CALENDAR, CLASSES, ENROLMENTS, ONEROSTER

from qos_monitor.importing import calendar, delivery, oneroster, sheets
from qos_monitor.importing.calendar_options import CalendarOptions
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.oneroster_records import Mapped
from rules.document import Invalid
from rules.span import parse_instant

WORDS = [
    b"\x00",
    b"\xff",
    b"\r",
    b"\n",
    b"\n ",
    b'"',
    b",",
    b";",
    b":",
    b"=",
    b"99999999999999999999",
    b"-1",
    b"BEGIN:VEVENT\n",
    b"END:VEVENT\n",
    b"RRULE:FREQ=YEARLY\n",
    b"EXDATE:20261026T183000\n",
    b"TZID=",
    b"00010101T000000",
    b"99991231T235959Z",
    b"COUNT=0",
    b";INTERVAL=0\n",
    b"BYDAY=-9XX",
    b"P99999999D",
    b"UNTIL=20261301",
]


def packed() -> bytes:
    """Put the delivery of OneRoster into a zip."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in ONEROSTER.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return body.getvalue()


ZIPPED = packed()


def mutated(body: bytes, seed: int) -> bytes:
    """Cut, repeat, swap and put in, up to four times."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + chance.choice([0, 1, 3, 20, 100]))
        middle = chance.choice([b"", body[start:end] * 2, chance.choice(WORDS), bytes([chance.randrange(256)])])
        body = body[:start] + middle + body[end:]
    return body


def answered(read: Callable[[], Draft]) -> bool:
    """Say whether there were rows; if not, problems were told."""
    try:
        read().roster()
    except Invalid:
        return False
    return True


OPTIONS = CalendarOptions(
    parse_instant("2026-10-01T00:00:00Z"),
    parse_instant("2026-12-01T00:00:00Z"),
    zone=None,
    course="math",
    provider="agora",
)


def test_the_files_are_good_before_they_are_mutated() -> None:
    assert answered(lambda: sheets.read({"classes": ("c.csv", CLASSES)}))
    assert answered(lambda: sheets.read({"enrolments": ("e.csv", ENROLMENTS)}))
    assert answered(lambda: calendar.read("t.ics", CALENDAR.replace(b"0261103T183000", b"0261103T183000Z"), OPTIONS))


@given(st.integers(min_value=0))
def test_a_mutated_calendar_gives_rows_or_problems(seed: int) -> None:
    body = mutated(CALENDAR, seed)
    answered(lambda: calendar.read("t.ics", body, OPTIONS))


@given(st.integers(min_value=0))
def test_mutated_tables_give_rows_or_problems(seed: int) -> None:
    bodies = {"classes": ("c.csv", mutated(CLASSES, seed)), "enrolments": ("e.csv", mutated(ENROLMENTS, seed + 1))}
    answered(lambda: sheets.read(bodies))


@given(st.integers(min_value=0), st.sampled_from(sorted(ONEROSTER)))
def test_a_mutated_delivery_gives_rows_or_problems(seed: int, name: str) -> None:
    files = {other: text.encode() for other, text in ONEROSTER.items()}
    files[name] = mutated(files[name], seed)
    answered(lambda: oneroster.read(files, Mapped())[0])


@given(st.integers(min_value=0))
def test_a_mutated_zip_gives_rows_or_problems(seed: int) -> None:
    body = mutated(ZIPPED, seed)
    try:
        files = delivery.unzipped("d.zip", body)
    except Invalid:
        return
    answered(lambda: oneroster.read(files, Mapped())[0])


@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_problems(body: bytes) -> None:
    answered(lambda: sheets.read({"courses": ("c.csv", body)}))
    answered(lambda: calendar.read("t.ics", body, OPTIONS))
    try:
        files = delivery.unzipped("d.zip", body)
    except Invalid:
        return
    answered(lambda: oneroster.read(files, Mapped())[0])
