"""Reads the statistics of a handle: what its person received over each media line."""

from collectors.body import ID_MAX, OBSERVATION_ID_MAX, Object, capped, inner, number, short_text, whole
from collectors.contract import Sighting
from collectors.janus.head import Head, Person
from collectors.threads import PACKETS_MIN, totals
from rules.observation import Kind, Observation, Role, Vantage
from rules.span import SECOND

PERIOD: int = 5 * SECOND
"""How long before its event a span begins, while the event before it is not known: Janus's own default."""

LINES_MAX: int = 64
_COUNTER_MAX = 2**63
_RTT_MAX_MS = 60_000
_LOST_BITS = 24  # the receiver report's counter: it wraps to "-1" where a packet comes twice (RFC 3550, 6.4.1)
_REPORTED = ("lost-by-remote", "jitter-remote", "rtt", "out-link-quality", "out-media-link-quality")


def spans(head: Head, body: object, ignored: list[str], unknown: list[str]) -> list[Sighting]:
    """Read a media event: one span for each line that carries media to the person; the rest is only named."""
    lines = body if isinstance(body, list) else [body]
    if len(lines) > LINES_MAX:
        unknown.append("excess")
    found = [_span(head, inner(line), ignored, unknown) for line in lines[:LINES_MAX]]
    return [sighting for sighting in found if sighting is not None]


def _span(head: Head, line: Object, ignored: list[str], unknown: list[str]) -> Sighting | None:
    if "receiving" in line or "slow_link" in line:
        # What Janus got from this person; and what the statistics say anyway, once a second (README, quirks).
        ignored.append("receiving" if "receiving" in line else "slow_link")
        return None
    if "packets-sent" not in line and "packets-received" not in line:
        unknown.append("media event")
        return None
    if head.person is None or head.person.only_sends:
        ignored.append("no opaque_id" if head.person is None else "sending handle")
        return None
    sent = whole(line.get("packets-sent"), 1, _COUNTER_MAX)
    is_silent = number(line.get("bytes-sent-lastsec"), 0, _COUNTER_MAX) == 0
    is_reported = any(number(line.get(name), 0.001, _COUNTER_MAX) for name in _REPORTED)
    if sent is None or is_silent or not is_reported:
        ignored.append("line that sends" if sent is None else "line without traffic or report")
        return None
    return _sighting(head, head.person, line, sent)


def _sighting(head: Head, person: Person, line: Object, sent: int) -> Sighting:
    mid = short_text(line.get("mid"), 20 + 65) or short_text(line.get("media"), 20 + 65) or "?"
    thread = capped(f"{head.thread}:{mid}", ID_MAX)
    lost = _lost(line)
    metrics = _measured(line) | ({"loss": min(lost / sent, 1.0)} if sent >= PACKETS_MIN else {})
    seen = Observation(
        source="janus",
        id=capped(f"{head.name}:{mid}", OBSERVATION_ID_MAX),
        kind=Kind.QUALITY,
        at=head.at - PERIOD,
        until=head.at,
        class_id=person.room,
        participant_id=person.participant,
        role=Role.LEARNER,
        session=thread,
        vantage=Vantage.SERVER,
        code=totals(lost, sent),
        domains=head.domains,
        metrics=metrics,
    )
    return Sighting(seen, thread=thread, order=head.micros)


def _lost(line: Object) -> int:
    lost = whole(line.get("lost-by-remote"), 0, _COUNTER_MAX) or 0
    return 0 if lost >= 2 ** (_LOST_BITS - 1) else lost


def _measured(line: Object) -> dict[str, float]:
    """Take the round trip (0 is not known), and audio's jitter; video's is that of the sender's pacing."""
    metrics: dict[str, float] = {}
    rtt = number(line.get("rtt"), 1, _RTT_MAX_MS)
    if rtt is not None:
        metrics["rtt_ms"] = rtt
    jitter, clock = number(line.get("jitter-remote"), 0, 2**32), number(line.get("base"), 1, 10**6)
    if line.get("media") == "audio" and jitter is not None and clock is not None:
        metrics["jitter_ms"] = jitter * SECOND / clock
    return metrics
