"""More traps of iCalendar: lists of dates, ranges, ends of rules, zones with foreign names, editions, bytes."""

import pytest
from calendar_parts import BERLIN, WEEKLY, draft, event, file, moved, options, problems, read, starts

FOUR = (*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=4")
HOUR = ("DTSTART:20261019T163000Z", "DURATION:PT1H")


@pytest.mark.parametrize(
    "exdate",
    [
        "EXDATE;TZID=Europe/Berlin:20261026T183000",
        "EXDATE:20261026T173000Z",
        "EXDATE;TZID=Asia/Shanghai:20261027T013000",
        "EXDATE;VALUE=DATE:20261026",
        "EXDATE:20261026",
    ],
)
def test_a_lesson_is_taken_out_in_whatever_zone_it_is_named_and_by_its_day(exdate: str) -> None:
    assert starts(file(event(*FOUR, exdate))) == ["2026-10-19T16:30", "2026-11-02T17:30", "2026-11-09T17:30"]


def test_a_list_takes_out_all_of_its_lessons() -> None:
    listed = "EXDATE;TZID=Europe/Berlin:20261026T183000,20261102T183000"
    assert starts(file(event(*FOUR, listed))) == ["2026-10-19T16:30", "2026-11-09T17:30"]


def test_dates_of_their_own_may_have_an_end_of_their_own_and_come_once() -> None:
    periods = "RDATE;VALUE=PERIOD:20261021T100000Z/20261021T113000Z,20261022T100000Z/PT2H"
    rows = read(file(event(*WEEKLY, periods))).values()
    assert [(row.ends_at - row.starts_at) // 60_000 for row in rows] == [60, 90, 120]
    doubled = file(event(*FOUR, "RDATE;TZID=Europe/Berlin:20261026T183000"))
    assert len(starts(doubled)) == 4
    assert problems(file(event(*WEEKLY, "RDATE;VALUE=DATE:20261021"))) == [
        "t.ics:8 RDATE: is a day, where DTSTART is a time"
    ]


RANGE = "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261026T183000"


def test_a_change_of_all_that_follows_moves_them_by_the_wall_clock_and_they_stay_the_classes_they_were() -> None:
    change = event(RANGE, "DTSTART;TZID=Europe/Berlin:20261027T100000", "DURATION:PT90M")
    after = read(file(event(*FOUR), change))
    assert set(after) == set(read(file(event(*FOUR))))
    spans = [(row.as_json()["starts_at"], (row.ends_at - row.starts_at) // 60_000) for row in after.values()]
    assert spans == [
        ("2026-10-19T16:30:00.000Z", 60),
        ("2026-10-27T09:00:00.000Z", 90),
        ("2026-11-03T09:00:00.000Z", 90),
        ("2026-11-10T09:00:00.000Z", 90),
    ]


def test_a_change_of_all_that_follows_gives_way_to_a_later_one_and_to_that_of_one_lesson() -> None:
    first = event(RANGE.replace("1026T", "1019T"), "DTSTART;TZID=Europe/Berlin:20261019T200000", "DURATION:PT1H")
    later = event(RANGE.replace("1026T", "1109T"), "DTSTART;TZID=Europe/Berlin:20261109T210000", "DURATION:PT1H")
    single = event("RECURRENCE-ID:20261102T173000Z", "DTSTART:20261102T070000Z", "DURATION:PT1H")
    found = starts(file(event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=5"), first, later, single))
    assert [text[5:] for text in found] == ["10-19T18:00", "10-26T19:00", "11-02T07:00", "11-09T20:00", "11-16T20:00"]


def test_all_that_follows_can_be_called_off() -> None:
    change = event(RANGE, "DTSTART;TZID=Europe/Berlin:20261026T183000", "STATUS:CANCELLED", "DTSTAMP:20261001T000000Z")
    rows = read(file(event(*FOUR), change)).values()
    assert [row.cancelled is not None for row in rows] == [False, True, True, True]
    assert {row.ends_at - row.starts_at for row in rows} == {3_600_000}


@pytest.mark.parametrize("named", [":20261026T173000Z", ";VALUE=DATE:20261026", ";TZID=Asia/Shanghai:20261027T013000"])
def test_a_moved_lesson_may_be_named_in_another_zone_or_by_its_day(named: str) -> None:
    change = event(f"RECURRENCE-ID{named}", "DTSTART:20261027T090000Z", "DURATION:PT1H")
    row = read(file(event(*FOUR), change))["algebra-20261026T173000Z"]
    assert str(row.as_json()["starts_at"]).startswith("2026-10-27T09:00")


@pytest.mark.parametrize(
    ("until", "lessons"),
    [
        ("20261102T173000Z", 3),
        ("20261102T172959Z", 2),
        ("20261102T183000", 3),
        ("20261102T182959", 2),
        ("20261102", 3),
        ("20261101", 2),
    ],
)
def test_a_rule_holds_until_its_end_in_utc_or_as_the_zone_of_the_lesson_has_it(until: str, lessons: int) -> None:
    assert len(starts(file(event(*WEEKLY, f"RRULE:FREQ=WEEKLY;UNTIL={until}")))) == lessons


@pytest.mark.parametrize(
    ("until", "lessons"),
    [("20261102T173000Z", 3), ("20261102T172959Z", 2), ("20261102T183000", 3), ("20261102T182959", 2), ("20261102", 3)],
)
def test_a_rule_of_floating_times_holds_until_its_end_in_the_zone_given(until: str, lessons: int) -> None:
    floating = ("DTSTART:20261019T183000", "DURATION:PT1H", f"RRULE:FREQ=WEEKLY;UNTIL={until}")
    assert len(starts(file(event(*floating)), options(zone=BERLIN))) == lessons


def test_a_floating_lesson_is_taken_out_and_moved_by_floating_times() -> None:
    series = event("DTSTART:20261019T183000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20261026T183000")
    change = event("RECURRENCE-ID:20261102T183000", "DTSTART:20261103T090000", "DURATION:PT1H")
    assert starts(file(series, change), options(zone=BERLIN)) == ["2026-10-19T16:30", "2026-11-03T08:00"]


def test_the_last_working_day_of_a_month_is_found() -> None:
    rule = "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=3"
    assert starts(file(event(*WEEKLY, rule)))[1:] == ["2026-10-30T17:30", "2026-11-30T17:30"]


def test_a_rule_without_end_is_expanded_within_the_window_alone() -> None:
    old = ("DTSTART;TZID=Europe/Berlin:20100104T183000", "DURATION:PT1H", "RRULE:FREQ=DAILY")
    assert starts(file(event(*old)), options("2026-10-01", "2026-10-03")) == ["2026-10-01T16:30", "2026-10-02T16:30"]


def zone(name: str, offset: str = "+0800") -> str:
    lines = [f"TZOFFSETFROM:{offset}", f"TZOFFSETTO:{offset}", "END:STANDARD", "END:VTIMEZONE", ""]
    return "\r\n".join(["BEGIN:VTIMEZONE", f"TZID:{name}", "BEGIN:STANDARD", "DTSTART:16010101T000000", *lines])


@pytest.mark.parametrize(
    "name",
    [
        "China Standard Time",
        "/freeassociation.sourceforge.net/Asia/Shanghai",
        "/freeassociation.sourceforge.net/Tzfile/Asia/Shanghai",
        "/mozilla.org/20050126_1/Asia/Shanghai",
    ],
)
@pytest.mark.parametrize("is_described", [True, False])
def test_zones_with_names_of_other_systems_are_known(name: str, is_described: bool) -> None:
    body = file(event(f"DTSTART;TZID={name}:20261019T183000", "DURATION:PT1H"), head=zone(name) if is_described else "")
    assert starts(body) == ["2026-10-19T10:30"]


def test_a_zone_whose_name_needs_quotes_is_the_one_described() -> None:
    name = "(UTC+08:00) Beijing, Chongqing"
    assert starts(file(event(f'DTSTART;TZID="{name}":20261019T183000', "DURATION:PT1H"), head=zone(name))) == [
        "2026-10-19T10:30"
    ]


def test_a_zone_that_is_described_changes_its_clock_as_described() -> None:
    described = [
        "BEGIN:VTIMEZONE",
        "TZID:Schule",
        "BEGIN:STANDARD",
        "DTSTART:16010101T030000",
        "TZOFFSETFROM:+0200",
        "TZOFFSETTO:+0100",
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
        "END:STANDARD",
        "BEGIN:DAYLIGHT",
        "DTSTART:16010101T020000",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200",
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
        "END:DAYLIGHT",
        "END:VTIMEZONE",
        "",
    ]
    lesson = ("DTSTART;TZID=Schule:20261019T183000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2")
    assert starts(file(event(*lesson), head="\r\n".join(described))) == ["2026-10-19T16:30", "2026-10-26T17:30"]


def test_of_two_editions_of_one_event_the_later_counts() -> None:
    old, new = event(*HOUR), event("DTSTART:20261020T163000Z", "DURATION:PT1H", "SEQUENCE:1")
    for body in file(old, new), file(new, old):
        assert starts(body) == ["2026-10-20T16:30"]
    assert draft(file(old, new)).skipped == ["t.ics:4: a later edition is in line 11"]


def test_an_event_that_was_moved_is_the_class_it_was() -> None:
    (before,) = read(file(event(*HOUR, "SEQUENCE:0")))
    (after,) = read(file(event("DTSTART:20261103T090000Z", "DURATION:PT1H", "SEQUENCE:1")))
    assert before == after == "algebra"


def test_a_lesson_that_keeps_its_day_can_be_named_by_it() -> None:
    told = options(class_id="{uid}-{day}")
    early, late = (
        read(
            file(event(f"DTSTART;TZID=Asia/Shanghai:20261102T{at}", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2")), told
        )
        for at in ("073000", "190000")
    )
    assert list(early) == list(late) == ["algebra-20261102", "algebra-20261103"]


def test_a_fold_within_a_letter_is_no_wrong_letter() -> None:
    body = file(event(*HOUR, "X-QOS-ROOM:xx")).replace(b"xx", "中".encode()[:2] + b"\r\n " + "中".encode()[2:])
    assert read(body)["algebra"].room_id == "中"
    assert problems(file(event(*HOUR, "SUMMARY:xx")).replace(b"xx", b"f\xfcr")) == ["t.ics:8: must be UTF-8"]


def test_what_is_read_no_more_is_told() -> None:
    assert problems(file(event(*FOUR, "EXRULE:FREQ=WEEKLY;INTERVAL=2")))[0].startswith("t.ics:9 EXRULE: is not read")
    assert problems(file(event(HOUR[0], "DTEND;VALUE=DATE:20261020"))) == [
        "t.ics:7 DTEND: is a day, where DTSTART is a time"
    ]


def test_a_lesson_called_off_may_leave_its_end_out() -> None:
    change = "RECURRENCE-ID:20261026T173000Z", "DTSTART:20261026T173000Z", "STATUS:CANCELLED"
    row = read(file(event(*FOUR), event(*change)))["algebra-20261026T173000Z"]
    assert row.cancelled is not None
    assert row.ends_at - row.starts_at == 3_600_000


def test_the_same_calendar_gives_the_same_classes_in_any_order() -> None:
    series, change = moved("DTSTART:20261027T090000Z", "DURATION:PT1H").decode().split("BEGIN:VEVENT")[1:]
    one, other = (
        file("BEGIN:VEVENT" + series, "BEGIN:VEVENT" + change.removesuffix("END:VCALENDAR\r\n")),
        file("BEGIN:VEVENT" + change.removesuffix("END:VCALENDAR\r\n"), "BEGIN:VEVENT" + series),
    )
    assert read(one) == read(other)
