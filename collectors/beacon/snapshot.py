"""One snapshot of W3C getStats: the received tracks, the senders' reports, the round trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collectors.body import Object, number, text, whole

REPORTS_MAX: int = 100
COUNTER_MAX: int = 2**63
_MS_MAX = float(2**53)
_STATES = ("live", "muted", "paused", "ended")
_RTT_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Track:
    """An ``inbound-rtp`` report, with what the client added to it: ``track``, ``stream``, ``screen``."""

    kind: str
    ssrc: int | None
    state: str | None
    stream: str | None
    is_screen: bool
    stats: Object

    def count(self, name: str) -> float | None:
        """Take a counter; None where the browser does not have it or wrote nonsense."""
        return number(self.stats.get(name), 0, COUNTER_MAX)

    @property
    def timestamp(self) -> float | None:
        """When the report was taken, on the client's clock in milliseconds."""
        return number(self.stats.get("timestamp"), 0, _MS_MAX)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of use in one call of getStats."""

    at: float
    is_hidden: bool
    tracks: Mapping[str, Track]
    senders: Mapping[str, Object]
    rtt_ms: float | None

    def sender_of(self, track: Track) -> Object:
        """Find the ``remote-outbound-rtp`` of a track; empty where no sender report has come yet."""
        by_id = self.senders.get(text(track.stats.get("remoteId")) or "")
        return by_id or self.senders.get(f"ssrc {track.ssrc}") or {}


def read_snapshot(given: object) -> Snapshot | None:
    """Read one snapshot; None if it has no time of its own or no list of reports.

    Reports may come as a list, or as the object that a map of them becomes in JSON.
    """
    if not isinstance(given, dict):
        return None
    at, reports = number(given.get("timestamp"), 0, _MS_MAX), given.get("reports")
    if isinstance(reports, dict):
        reports = list(reports.values())
    if at is None or not isinstance(reports, list):
        return None
    known = [report for report in reports[:REPORTS_MAX] if isinstance(report, dict)]
    tracks = (_track(report) for report in known if report.get("type") == "inbound-rtp")
    return Snapshot(
        at=at,
        is_hidden=given.get("hidden") is True,
        tracks=dict(named for named in tracks if named is not None),
        senders=_senders(known),
        rtt_ms=_rtt_ms(known),
    )


def _track(report: Object) -> tuple[str, Track] | None:
    kind, ssrc = report.get("kind"), whole(report.get("ssrc"), 0, 2**32 - 1)
    name = text(report.get("id")) or (None if ssrc is None else f"ssrc {ssrc}")
    if kind not in ("audio", "video") or name is None:
        return None
    state = report.get("track")
    if state is not None and state not in _STATES:
        state = "paused"  # a word we do not know: it is not known to be playing
    track = Track(
        kind=str(kind),
        ssrc=ssrc,
        state=None if state is None else str(state),
        stream=text(report.get("stream")),
        is_screen=report.get("screen") is True,
        stats=report,
    )
    return name, track


def _senders(reports: Sequence[Object]) -> dict[str, Object]:
    found: dict[str, Object] = {}
    for report in reports:
        if report.get("type") != "remote-outbound-rtp":
            continue
        ssrc = whole(report.get("ssrc"), 0, 2**32 - 1)
        for name in (text(report.get("id")), None if ssrc is None else f"ssrc {ssrc}"):
            if name is not None:
                found[name] = report
    return found


def _rtt_ms(reports: Sequence[Object]) -> float | None:
    """Take the round trip of the pair in use: of the nominated ones, that which received last."""
    found = []
    for report in reports:
        rtt = number(report.get("currentRoundTripTime"), 0, _RTT_MAX_S)
        if report.get("type") == "candidate-pair" and report.get("nominated") is True and rtt is not None:
            found.append((number(report.get("lastPacketReceivedTimestamp"), 0, _MS_MAX) or 0.0, rtt * 1_000))
    return max(found)[1] if found else None
