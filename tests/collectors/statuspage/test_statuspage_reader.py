"""A status page is read into incidents declared and cleared, whatever shape it has, and into nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from status_pages import PAGE, html_of, incident, listing, rss

from collectors.contract import Delivery, Reading, Unreadable
from collectors.statuspage import READER, StatusPage, StatusPages
from collectors.statuspage.feed import ITEMS_MAX
from collectors.statuspage.reader import WORDS_MAX, asked
from collectors.statuspage.turns import IS_OPEN
from rules.observation import Kind
from rules.span import DAY, HOUR, MINUTE, Instant, format_instant, parse_instant

T: Instant = parse_instant("2026-11-02T11:00:00Z")
HEADERS = {"asked": asked(StatusPage("agora", f"https://{PAGE}"))}
READ = StatusPages()


def page(body: bytes, at: Instant = T + DAY) -> Delivery:
    return Delivery(READER, body, HEADERS, at)


def read(body: bytes, at: Instant = T + DAY) -> Reading:
    return READ.read(page(body, at))


def told(body: bytes, at: Instant = T + DAY) -> list[tuple[str, str]]:
    """Say what happened when, without the date."""
    seen = [sighting.observation for sighting in read(body, at).sightings]
    return [(one.kind.value.removeprefix("incident_"), format_instant(one.at)[11:16]) for one in seen]


STORY = [(T + MINUTE, "investigating"), (T + HOUR, "identified"), (T + 2 * HOUR, "monitoring")]
ENDED = [*STORY, (T + 3 * HOUR, "resolved")]


def test_an_open_incident_is_declared_once_when_it_began() -> None:
    assert told(listing(incident("i1", T, *STORY))) == [("declared", "11:00")]


def test_a_resolved_one_is_cleared_and_a_postmortem_adds_nothing() -> None:
    after = [*ENDED, (T + 20 * HOUR, "postmortem")]

    assert told(listing(incident("i1", T, *ENDED))) == [("declared", "11:00"), ("cleared", "14:00")]
    assert told(listing(incident("i1", T, *after))) == [("declared", "11:00"), ("cleared", "14:00")]


def test_one_that_is_opened_again_is_declared_again() -> None:
    again = [*ENDED, (T + 4 * HOUR, "investigating"), (T + 5 * HOUR, "resolved")]

    assert told(listing(incident("i1", T, *again))) == [
        ("declared", "11:00"),
        ("cleared", "14:00"),
        ("declared", "15:00"),
        ("cleared", "16:00"),
    ]


def test_one_that_was_written_down_when_it_was_over_has_both_ends() -> None:
    assert told(listing(incident("i1", T, (T + HOUR, "resolved")))) == [("declared", "11:00"), ("cleared", "12:00")]


def test_a_list_without_updates_tells_by_the_incident_itself() -> None:
    open_, over = incident("i1", T), incident("i2", T, status="resolved", resolved=T + HOUR)

    assert told(listing(open_, over)) == [("declared", "11:00"), ("declared", "11:00"), ("cleared", "12:00")]


def test_a_maintenance_counts_from_when_it_begins_and_not_from_when_it_is_announced() -> None:
    announced = incident("m1", T - DAY, (T - DAY, "scheduled"), scheduled_for=format_instant(T))
    begun = incident("m2", T - DAY, (T - DAY, "scheduled"), (T, "in_progress"), (T + HOUR, "completed"))

    assert told(listing(scheduled_maintenances=[announced])) == []
    assert told(listing(scheduled_maintenances=[begun])) == [("declared", "11:00"), ("cleared", "12:00")]


def test_what_is_seen_names_the_provider_and_nobody() -> None:
    (sighting,) = read(listing(incident("i1", T, *STORY))).sightings
    seen = sighting.observation

    assert (seen.source, seen.class_id, seen.participant_id, dict(seen.domains)) == (
        "agora",
        None,
        None,
        {"provider": "agora"},
    )
    assert (seen.session, seen.code) == (f"{PAGE}:i1", "major: Joins fail in one region")
    assert sighting.placed


def test_ids_stay_the_same_while_an_incident_is_edited() -> None:
    first = {one.observation.id for one in read(listing(incident("i1", T, *STORY))).sightings}
    moved = incident("i1", T - HOUR, *ENDED, name="Another name", impact="critical")

    assert first < {one.observation.id for one in read(listing(moved)).sightings}


def test_a_page_that_says_the_same_again_has_the_same_name() -> None:
    same = listing(incident("i1", T, *STORY)).replace(b"12:00:00.000Z", b"12:01:00.000Z")
    more = listing(incident("i1", T, *ENDED))

    assert READ.key(page(same)) == READ.key(page(listing(incident("i1", T, *STORY))))
    assert READ.key(page(more)) != READ.key(page(same))


def test_long_words_are_cut() -> None:
    (sighting,) = read(listing(incident("i1", T, *STORY, name="x" * 5000))).sightings

    assert len(sighting.observation.code or "") == WORDS_MAX


def test_what_is_dated_far_ahead_has_not_happened() -> None:
    assert told(listing(incident("i1", T + 2 * DAY, (T + 2 * DAY, "investigating"))), T) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"id": 7},
        {"started_at": "yesterday", "created_at": None, "incident_updates": []},
        {"started_at": "9999-12-31T23:59:59Z", "created_at": "0001-01-01T00:00:00Z", "incident_updates": "none"},
    ],
)
def test_an_incident_that_cannot_be_read_is_counted_and_stops_no_other(broken: dict[str, object]) -> None:
    body = listing({**incident("i0", T), **broken}, incident("i1", T, *STORY))

    assert told(body) == [("declared", "11:00")]
    assert read(body).unknown == ("incident without id or times",)


def test_a_state_nobody_knows_is_counted_and_says_nothing() -> None:
    body = listing(incident("i1", T, (T, "investigating"), (T + HOUR, "pondering")))

    assert told(body) == [("declared", "11:00")]
    assert read(body).unknown == ("status pondering",)
    assert "pondering" not in IS_OPEN


FEED = [("Nov 2, 14:00 UTC", "Resolved"), ("Nov 2, 12:00 UTC", "Update"), ("Nov 2, 11:05 UTC", "Investigating")]


def test_a_feed_tells_the_same() -> None:
    assert told(rss(("i1", "Mon, 02 Nov 2026 14:00:00 +0000", FEED))) == [("declared", "11:05"), ("cleared", "14:00")]
    assert told(rss(("i1", "Mon, 02 Nov 2026 12:00:00 +0000", FEED[1:]))) == [("declared", "11:05")]


@pytest.mark.parametrize("stamp", ["Mon, 02 Nov 2026 14:00:00 +0000", "Mon, 02 Nov 2026 11:05:00 +0000"])
def test_it_does_not_matter_whether_a_feed_dates_the_first_update_or_the_last(stamp: str) -> None:
    assert told(rss(("i1", stamp, FEED))) == [("declared", "11:05"), ("cleared", "14:00")]


def test_times_of_a_feed_are_those_of_the_pages_own_zone() -> None:
    berlin = [(when.replace("UTC", "CET"), word) for when, word in FEED]

    assert told(rss(("i1", "Mon, 02 Nov 2026 14:00:00 +0100", berlin))) == [("declared", "10:05"), ("cleared", "13:00")]


def test_the_year_a_feed_leaves_out_is_the_nearest() -> None:
    over = [("Jan 1, 00:30 UTC", "Resolved"), ("Dec 31, 23:00 UTC", "Investigating")]
    seen = read(rss(("i1", "Fri, 01 Jan 2027 00:30:00 +0000", over)), T + 90 * DAY).sightings

    assert [format_instant(one.observation.at)[:16] for one in seen] == ["2026-12-31T23:00", "2027-01-01T00:30"]


def test_an_announced_maintenance_of_a_feed_has_not_begun() -> None:
    body = rss(("m1", "Tue, 03 Nov 2026 06:00:00 +0000", [("Nov 2, 09:00 UTC", "Scheduled")]))

    assert told(body) == []


def test_atom_is_read_as_well() -> None:
    html = html_of("Nov 2, 14:00 UTC", "Resolved") + html_of("Nov 2, 11:05 UTC", "Investigating")
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>Example</title><updated>2026-11-02T15:00:00Z</updated>'
        "<entry><id>tag:status.example,2005:Incident/1</id><published>2026-11-02T11:05:00Z</published>"
        "<updated>2026-11-02T14:00:00Z</updated><title>Joins fail</title>"
        f'<content type="html"><![CDATA[{html}]]></content></entry></feed>'
    ).encode()

    assert told(body) == [("declared", "11:05"), ("cleared", "14:00")]


def test_an_item_whose_updates_cannot_be_read_is_counted_and_not_guessed_at() -> None:
    body = rss(("i1", "Mon, 02 Nov 2026 14:00:00 +0000", []), ("i2", "long ago", FEED))

    assert told(body) == []
    assert read(body).unknown == ("item without updates",)


LAUGHS = "".join(f'<!ENTITY {chr(ord(one) + 1)} "{f"&{one};" * 10}">' for one in "abcdefg")
BOMB = f'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">{LAUGHS}]>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"incidents": {}}',
        b"<rss>",
        b"<html><body>Login</body></html>",
        rss(head=BOMB),
        rss(head='<!DOCTYPE rss SYSTEM "http://127.0.0.1/secret">'),
        rss().replace(b"UTF-8", b"EBCDIC-INT"),
        b"\xff\xfe<\x00r\x00",
        rss(*[("i", "Mon, 02 Nov 2026 14:00:00 +0000", FEED)] * (ITEMS_MAX + 1)),
    ],
)
def test_what_is_no_status_page_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)
    assert READ.key(page(body)) == READ.key(page(body))


def test_a_page_of_nobody_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        READ.read(Delivery(READER, listing(), {}, T))


def test_a_feed_nested_a_hundred_thousand_deep_is_walked_through() -> None:
    assert told(b"<rss>" + b"<item>" * 100_000 + b"</item>" * 100_000 + b"</rss>") == []


BODIES = [
    listing(incident("i1", T, *ENDED), scheduled_maintenances=[incident("m1", T, (T, "in_progress"))]),
    rss(("i1", "Mon, 02 Nov 2026 14:00:00 +0000", FEED)),
]


@given(st.sampled_from(BODIES), st.data())
def test_a_mutated_page_gives_incidents_or_is_unreadable(body: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(body)))
    length = data.draw(st.integers(0, 40))
    mutated = body[:start] + data.draw(st.binary(max_size=20)) + body[start + length :]

    try:
        seen = read(mutated).sightings
    except Unreadable:
        return
    kinds = {Kind.INCIDENT_DECLARED, Kind.INCIDENT_CLEARED}
    assert all(one.observation.kind in kinds and one.observation.class_id is None for one in seen)


def test_the_page_that_is_asked_is_the_json_unless_a_path_is_given() -> None:
    root, feed = StatusPage("agora", "https://Status.example"), StatusPage("zoom", "https://s.example/history.rss")

    assert (root.fetched, root.host) == ("https://Status.example/api/v2/incidents.json", "status.example")
    assert (feed.fetched, str(feed)) == ("https://s.example/history.rss", "zoom:https://s.example/history.rss")
