"""The traps of iCalendar, each written out by hand."""

from datetime import date

import pytest
from calendar_parts import BERLIN, WEEKLY, draft, event, file, moved, options, problems, read, starts

from qos_monitor.importing.groups import Group, Member
from rules.document import Invalid


def test_a_weekly_lesson_keeps_its_wall_clock_over_the_end_of_summer_time() -> None:
    found = starts(file(event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=2")))
    assert found == ["2026-10-19T16:30", "2026-10-26T17:30"]


def test_a_weekly_lesson_keeps_its_wall_clock_over_the_begin_of_summer_time() -> None:
    body = file(event("DTSTART;TZID=Europe/Berlin:20260325T183000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2"))
    assert starts(body, options("2026-03-01")) == ["2026-03-25T17:30", "2026-04-01T16:30"]


def test_a_lesson_given_in_utc_stays_in_utc() -> None:
    body = file(event("DTSTART:20261019T163000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2"))
    assert starts(body) == ["2026-10-19T16:30", "2026-10-26T16:30"]


@pytest.mark.parametrize("end", ["DTEND;TZID=Europe/Berlin:20261018T033000", "DURATION:PT1H"])
def test_a_lesson_lasts_as_long_as_ever_in_the_night_the_clock_goes_back(end: str) -> None:
    body = file(event("DTSTART;TZID=Europe/Berlin:20261018T023000", end, "RRULE:FREQ=WEEKLY;COUNT=2"))
    rows = read(body).values()
    assert [row.ends_at - row.starts_at for row in rows] == [3_600_000, 3_600_000]


def test_a_lesson_in_the_hour_that_does_not_exist_is_an_hour_later_by_the_wall_clock() -> None:
    body = file(event("DTSTART;TZID=Europe/Berlin:20260322T023000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2"))
    assert starts(body, options("2026-03-01")) == ["2026-03-22T01:30", "2026-03-29T01:30"]


def test_until_in_utc_holds_where_it_is_another_day_in_the_zone_of_the_lesson() -> None:
    early = ("DTSTART;TZID=Asia/Shanghai:20261102T073000", "DURATION:PT1H")
    with_last = file(event(*early, "RRULE:FREQ=WEEKLY;UNTIL=20261108T233000Z"))
    without = file(event(*early, "RRULE:FREQ=WEEKLY;UNTIL=20261108T232959Z"))
    assert starts(with_last) == ["2026-11-01T23:30", "2026-11-08T23:30"]
    assert starts(without) == ["2026-11-01T23:30"]


def test_a_lesson_taken_out_of_its_series_is_no_class() -> None:
    body = file(event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20261026T183000"))
    assert starts(body) == ["2026-10-19T16:30", "2026-11-02T17:30"]


def test_a_list_of_days_counts_every_one_of_them() -> None:
    body = file(event(*WEEKLY, "RRULE:FREQ=WEEKLY;BYDAY=MO,TH;COUNT=4"))
    assert starts(body) == ["2026-10-19T16:30", "2026-10-22T16:30", "2026-10-26T17:30", "2026-10-29T17:30"]


def test_dates_of_their_own_belong_to_the_series() -> None:
    body = file(event(*WEEKLY, "RDATE;TZID=Europe/Berlin:20261021T100000"))
    assert list(read(body)) == ["algebra-20261019T163000Z", "algebra-20261021T080000Z"]


def test_a_moved_lesson_is_the_class_it_was() -> None:
    before = read(file(event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=3")))
    after = read(moved("DTSTART;TZID=Europe/Berlin:20261027T100000", "DTEND;TZID=Europe/Berlin:20261027T113000"))
    assert set(before) == set(after)
    changed = after["algebra-20261026T173000Z"].as_json()
    assert (changed["starts_at"], changed["ends_at"]) == ("2026-10-27T09:00:00.000Z", "2026-10-27T10:30:00.000Z")


@pytest.mark.parametrize("day", ["20260103", "20270915"])
def test_a_lesson_moved_far_out_of_the_window_is_not_left_at_its_old_time(day: str) -> None:
    body = moved(f"DTSTART;TZID=Europe/Berlin:{day}T100000", "DURATION:PT1H")
    row = read(body, options("2026-10-20", "2026-10-30"))["algebra-20261026T173000Z"]
    assert str(row.as_json()["starts_at"]).startswith(f"{day[:4]}-{day[4:6]}-{day[6:]}")


def test_a_lesson_moved_into_the_window_is_found() -> None:
    body = moved("DTSTART;TZID=Europe/Berlin:20261220T100000", "DURATION:PT1H")
    assert list(read(body, options("2026-12-01"))) == ["algebra-20261026T173000Z"]


def test_the_latest_edition_of_a_change_counts() -> None:
    change = "RECURRENCE-ID:20261026T173000Z"
    first = event(change, "SEQUENCE:1", "DTSTART:20261027T100000Z", "DURATION:PT1H")
    second = event(change, "SEQUENCE:2", "DTSTART:20261028T100000Z", "DURATION:PT2H")
    series = event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=3")
    for body in file(series, first, second), file(second, first, series):
        row = read(body)["algebra-20261026T173000Z"]
        assert str(row.as_json()["starts_at"]).startswith("2026-10-28T10:00")
        assert row.ends_at - row.starts_at == 7_200_000


def test_a_called_off_lesson_was_called_off_by_the_platform_for_no_technical_reason() -> None:
    body = moved(*WEEKLY, "STATUS:CANCELLED", "LAST-MODIFIED:20261020T080000Z", "DTSTAMP:20261120T080000Z")
    rows = read(body)
    off = rows["algebra-20261026T173000Z"].cancelled
    assert off is not None
    assert off.as_json() == {"at": "2026-10-20T08:00:00.000Z", "by": "platform", "technical": False}
    assert sum(row.cancelled is not None for row in rows.values()) == 1


def test_properties_of_ours_say_who_called_it_off_and_why() -> None:
    body = moved(
        *WEEKLY,
        "STATUS:CANCELLED",
        "DTSTAMP:20261020T080000Z",
        "X-QOS-CANCELLED-BY:platform",
        "X-QOS-CANCELLED-TECHNICAL:TRUE",
    )
    off = read(body)["algebra-20261026T173000Z"].cancelled
    assert off is not None
    assert off.is_technical


def test_a_calendar_sent_to_call_off_calls_off_everything_in_it() -> None:
    rows = read(file(event("DTSTART:20261019T163000Z", "DURATION:PT1H"), head="METHOD:CANCEL\r\n"))
    assert rows["algebra"].cancelled is not None


def test_a_floating_time_needs_a_zone() -> None:
    body = file(event("DTSTART:20261019T183000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2"))
    assert starts(body, options(zone=BERLIN)) == ["2026-10-19T16:30", "2026-10-26T17:30"]
    assert problems(body) == ["t.ics:6 DTSTART: is a floating time: say in which zone it is (--zone)"]


def test_a_zone_nobody_knows_is_not_taken_for_a_floating_time() -> None:
    body = file(event("DTSTART;TZID=Mars/Olympus:20261019T183000", "DURATION:PT1H"))
    assert "neither known nor described" in problems(body, options(zone=BERLIN))[0]


def test_a_zone_the_file_describes_is_believed() -> None:
    described = [
        "BEGIN:VTIMEZONE",
        "TZID:School",
        "BEGIN:STANDARD",
        "DTSTART:19700101T000000",
        "TZOFFSETFROM:+0500",
        "TZOFFSETTO:+0500",
        "END:STANDARD",
        "END:VTIMEZONE",
        "",
    ]
    body = file(event("DTSTART;TZID=School:20261019T183000", "DURATION:PT1H"), head="\r\n".join(described))
    assert starts(body) == ["2026-10-19T13:30"]


def test_an_all_day_event_is_told_and_skipped() -> None:
    holiday = event("DTSTART;VALUE=DATE:20261001", "DTEND;VALUE=DATE:20261008", uid="holiday")
    found = draft(file(holiday, event("DTSTART:20261019T163000Z", "DURATION:PT1H")))
    assert [row.id for row in found.roster().classes] == ["algebra"]
    assert found.skipped == ["t.ics:4: an all-day event is no lesson"]


def test_a_lesson_that_becomes_an_all_day_event_is_a_mistake_and_does_not_take_its_series_away() -> None:
    body = moved("DTSTART;VALUE=DATE:20261026", "DURATION:P1D")
    assert problems(body) == ["t.ics:15 DTSTART: is a day, where the rest of the series has times"]


def test_only_events_of_the_category_are_lessons() -> None:
    lesson = event("DTSTART:20261019T163000Z", "DURATION:PT1H", "CATEGORIES:A,LESSON")
    meeting = event("DTSTART:20261019T163000Z", "DURATION:PT1H", uid="meeting", people=())
    found = draft(file(lesson, meeting), options(category="LESSON"))
    assert [row.id for row in found.roster().classes] == ["algebra"]
    assert found.skipped == ["t.ics:12: not of the category LESSON"]


def test_organizer_and_attendees_are_teacher_and_learners() -> None:
    people = (
        "ORGANIZER;CN=Ms T:mailto:t1@school.example",
        "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=DECLINED:mailto:u1@school.example",
        'ATTENDEE;CN="Two, U.":MAILTO:u2@school.example',
        "ATTENDEE:mailto:t1@school.example",
        "ATTENDEE;CUTYPE=ROOM:mailto:room@school.example",
        "ATTENDEE;ROLE=NON-PARTICIPANT:mailto:head@school.example",
    )
    body = file(event("DTSTART:20261019T163000Z", "DURATION:PT1H", people=people))
    row = read(body)["algebra"]
    assert (row.teacher_id, row.learner_ids) == ("t1@school.example", ("u1@school.example", "u2@school.example"))
    short = read(body, options(is_local_part=True))["algebra"]
    assert (short.teacher_id, short.learner_ids) == ("t1", ("u1", "u2"))


def test_a_group_fills_whom_the_calendar_does_not_name_on_the_day_of_the_lesson() -> None:
    left = Member("u1", is_teacher=False, last_day=date(2026, 10, 19))
    stays = Member("u2", is_teacher=False)
    group = Group("g1", "algebra-1", "7b", (left, stays, Member("t9", is_teacher=True)))
    body = file(event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=2", "X-QOS-GROUP:g1", people=()))
    rows = [*read(body, options(course=None, groups={"g1": group})).values()]
    assert [(row.course_id, row.teacher_id) for row in rows] == [("algebra-1", "t9")] * 2
    assert [row.learner_ids for row in rows] == [("u1", "u2"), ("u2",)]


def test_the_day_of_a_lesson_is_that_of_its_own_zone() -> None:
    leaves = Member("u1", is_teacher=False, last_day=date(2026, 11, 1))
    group = Group("g1", "math", "7b", (leaves, Member("u2", is_teacher=False)))
    early = ("DTSTART;TZID=Asia/Shanghai:20261102T073000", "DURATION:PT1H")
    body = file(event(*early, "X-QOS-GROUP:g1", "X-QOS-TEACHER:t1", people=()))
    assert read(body, options(groups={"g1": group}))["algebra"].learner_ids == ("u2",)


def test_templates_name_class_and_room() -> None:
    told = options(class_id="class-{uid}-{start}", room="room-{uid}{instance}", course="{category}")
    body = file(event("DTSTART:20261019T163000Z", "DURATION:PT1H", "CATEGORIES:physics"))
    (row,) = read(body, told).values()
    assert (row.id, row.room_id, row.course_id) == ("class-algebra-20261019T163000Z", "room-algebra", "physics")


def test_a_template_that_asks_for_what_there_is_not_is_refused() -> None:
    with pytest.raises(Invalid, match=r"--room: knows no \{channel\}"):
        options(room="{channel}")


def test_folded_lines_escaped_commas_and_alarms_are_read() -> None:
    people = ("X-QOS-TEACHER:t1", "X-QOS-LEARNERS:u", " 1,u\\,2", "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM")
    body = file(event("DTSTART:20261019T163000Z", "DURATION:PT1H", people=people))
    assert read(body)["algebra"].learner_ids == ("u1", "u,2")


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("DTSTART:20261019T163000Z",), "t.ics:4 DTEND: either this or DURATION is wanted"),
        (("DURATION:PT1H",), "t.ics:4 DTSTART: is missing"),
        (("DTSTART:20261399T163000Z", "DURATION:PT1H"), "t.ics:6 DTSTART: cannot be read"),
        (("DTSTART:20261019T163000Z", "DTEND:20261019T163000Z"), "t.ics:4 ends_at: must be later than starts_at"),
        (("DTSTART:20261019T163000Z", "DURATION:PT1H", "RRULE:FREQ=SECONDLY"), "t.ics:8 RRULE: FREQ must be"),
        (("DTSTART:20261019T163000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;INTERVAL=0"), "t.ics:8 RRULE: INTERVAL and"),
        (("DTSTART:20261019T163000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=0"), "t.ics:8 RRULE: INTERVAL and"),
        (("DTSTART:00011019T163000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY"), "t.ics:8 RRULE: must begin in 1970"),
        (("DTSTART:20261019T163000Z", "DURATION:PT1H", "RRULE:FREQ=SOMETIMES"), "t.ics:8 RRULE: cannot be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(lines: tuple[str, ...], wanted: str) -> None:
    assert any(problem.startswith(wanted) for problem in problems(file(event(*lines)))), problems(file(event(*lines)))


def test_one_broken_event_does_not_hide_the_mistakes_of_another() -> None:
    body = file(event("DTSTART:2026", "DURATION:PT1H"), event("DURATION:PT1H", uid="b"))
    assert len(problems(body)) == 2


def test_two_events_of_one_name_are_told() -> None:
    one = event("DTSTART:20261019T163000Z", "DURATION:PT1H")
    assert problems(file(one, one)) == ["t.ics:11 UID: is already that of the event in line 4"]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", "t.ics:1: must be iCalendar, and is empty"),
        (b"id,title\n", "t.ics:1: must be iCalendar: a line before"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\n", "t.ics:2: BEGIN:VEVENT has no end"),
        (b"BEGIN:VCALENDAR\nEND:VEVENT\n", "t.ics:2: END:VEVENT ends nothing"),
        (b"BEGIN:VCALENDAR\n\xff\n", "t.ics:2: must be UTF-8"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n", "t.ics:2 UID: is missing"),
    ],
)
def test_what_is_no_calendar_is_told(body: bytes, wanted: str) -> None:
    assert problems(body)[0].startswith(wanted)


def test_the_same_file_gives_the_same_classes() -> None:
    body = moved("DTSTART;TZID=Europe/Berlin:20261027T100000", "DURATION:PT1H")
    assert read(body) == read(body)
