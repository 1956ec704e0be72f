"""Measures what happened between two snapshots of W3C getStats, and leaves out what cannot be known.

Each trap named here is told with its source in README.md.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from collectors.beacon import desync
from collectors.beacon.snapshot import Snapshot, Track, read_snapshot
from collectors.body import number

SPAN_MAX: int = 120_000
"""Milliseconds between two snapshots; over that the client slept, and nothing is known of the time."""
_STANDSTILL_MIN = 1_000  # less than a second without a frame is not yet a standstill
_SILENCE_MIN = 2_000  # Opus sends something every 400 ms even in silence (DTX)
_PACKETS_MIN = 20  # a share of fewer says little
_DELAY_MAX = 60_000
_JITTER_MAX = 60_000
_FPS_MAX = 240
_LOST_MAX = 2**53

_MONOTONE = (
    "packetsReceived",
    "bytesReceived",
    "framesDecoded",
    "framesRendered",
    "totalSamplesReceived",
    "jitterBufferEmittedCount",
    "concealedSamples",
    "totalFreezesDuration",
)  # packetsLost is not among them: a packet that comes late after all lowers it


@dataclass(frozen=True, slots=True)
class Window:
    """What was received between two snapshots, on the client's clock in milliseconds."""

    starts: float
    ends: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Pair:
    """One track in two successive snapshots, with its counters running on between them."""

    before: Track
    after: Track
    length_ms: float
    stood_still_ms: float
    """How long its frames had already stood still before this window."""
    is_watched: bool
    """The page was visible at both ends."""

    @property
    def ends(self) -> tuple[Track, Track]:
        """Give the track as it was and as it is."""
        return self.before, self.after

    @property
    def is_live(self) -> bool:
        """Say whether the client vouches at both ends that the track should be playing."""
        return self.before.state == self.after.state == "live"

    @property
    def is_off(self) -> bool:
        """Say whether the track was muted, paused or ended at either end: then it cannot freeze."""
        return any(track.state not in ("live", None) for track in self.ends)

    def grown(self, name: str) -> float | None:
        """Measure how far a counter went; None if either snapshot lacks it."""
        was, now = self.before.count(name), self.after.count(name)
        return None if was is None or now is None else now - was

    def frames(self) -> float | None:
        """Count the frames shown, or decoded where the browser does not say what it showed."""
        shown = self.grown("framesRendered")
        return self.grown("framesDecoded") if shown is None else shown


def windows(given: Sequence[object], notes: list[str]) -> Iterator[Window]:
    """Measure each window between successive snapshots; what could not be used is named in ``notes``."""
    snapshots = [snapshot for snapshot in map(read_snapshot, given) if snapshot is not None]
    notes.extend(["snapshot"] * (len(given) - len(snapshots)))
    still: dict[str, float] = defaultdict(float)
    history: list[Snapshot] = []
    for snapshot in snapshots:
        before = history[-1] if history else None
        length = 0.0 if before is None else snapshot.at - before.at
        if before is not None and not 0 < length <= SPAN_MAX:
            notes.append("span" if length > 0 else "time")
            history, before = [], None
            still.clear()
        history.append(snapshot)
        if before is not None:
            pairs = _pairs(before, snapshot, still, notes)
            yield Window(before.at, snapshot.at, _metrics(pairs, history))


def _pairs(before: Snapshot, after: Snapshot, still: dict[str, float], notes: list[str]) -> list[Pair]:
    length = after.at - before.at
    found = []
    for name, track in after.tracks.items():
        was = before.tracks.get(name)
        if was is None or _began_anew(was, track):
            notes.extend([] if was is None else ["counter_reset"])
            still.pop(name, None)
            continue
        pair = Pair(was, track, length, still[name], is_watched=not (before.is_hidden or after.is_hidden))
        still[name] = still[name] + length if pair.frames() == 0 else 0.0
        found.append(pair)
    return found


def _began_anew(before: Track, after: Track) -> bool:
    """Say whether the counters restarted, as they do with every new peer connection."""
    if before.ssrc != after.ssrc:
        return True
    counts = [(before.count(name), after.count(name)) for name in _MONOTONE]
    return any(was is not None and now is not None and now < was for was, now in counts)


def _metrics(pairs: Sequence[Pair], history: Sequence[Snapshot]) -> dict[str, float]:
    audio = [pair for pair in pairs if pair.after.kind == "audio"]
    video = [pair for pair in pairs if pair.after.kind == "video"]
    found = {
        "audio_frozen": _worst(_audio_frozen(pair) for pair in audio),
        "video_frozen": _worst(_video_frozen(pair) for pair in video),
        "av_offset_ms": desync.offset(history[-3:]),
        "delay_ms": _first(_delay, audio, video),
        "rtt_ms": history[-1].rtt_ms,
        "jitter_ms": _first(_jitter, audio, video),
        "loss": _loss(pairs),
        "fps": _least(_fps(pair) for pair in video),
    }
    return {name: value for name, value in found.items() if value is not None}


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _first(measure: Callable[[Pair], float | None], audio: Sequence[Pair], video: Sequence[Pair]) -> float | None:
    """Take audio's worst, and video's where there is no audio: the limits were made for speech."""
    heard = _worst(map(measure, audio))
    return _worst(map(measure, video)) if heard is None else heard


def _audio_frozen(pair: Pair) -> float | None:
    if pair.is_off:
        return None
    if pair.is_live and pair.length_ms >= _SILENCE_MIN and pair.grown("packetsReceived") == 0:
        return 1.0  # concealment fades into silence, and silence is not counted as audible
    concealed, silent = pair.grown("concealedSamples"), pair.grown("silentConcealedSamples")
    played = pair.grown("totalSamplesReceived")
    if concealed is None or not played:
        return None
    return min(max(concealed - (silent or 0.0), 0.0) / played, 1.0)


def _video_frozen(pair: Pair) -> float | None:
    if pair.is_off or pair.after.is_screen or not pair.is_watched:
        return None
    if pair.frames() == 0:
        # No counter of freezes moves before the next frame. Only the client knows if the camera is off.
        return 1.0 if pair.is_live and pair.length_ms >= _STANDSTILL_MIN else None
    frozen_s = pair.grown("totalFreezesDuration")
    if frozen_s is None:
        return None
    paused_s = 0.0 if pair.is_live else pair.grown("totalPausesDuration") or 0.0
    # A freeze is counted whole when it ends; what lies before this window was told by the windows before.
    frozen_ms = (frozen_s - paused_s) * 1_000 - pair.stood_still_ms
    return min(max(frozen_ms, 0.0) / pair.length_ms, 1.0)


def _fps(pair: Pair) -> float | None:
    frames = pair.frames()
    is_known = pair.is_live and pair.is_watched and not pair.after.is_screen
    if frames is None or not is_known or pair.length_ms < _STANDSTILL_MIN:
        return None
    fps = frames * 1_000 / pair.length_ms
    return fps if fps <= _FPS_MAX else None


def _jitter(pair: Pair) -> float | None:
    seconds = number(pair.after.stats.get("jitter"), 0, _JITTER_MAX / 1_000)
    if seconds is None or pair.grown("packetsReceived") == 0:  # then it is an old value
        return None
    return seconds * 1_000


def _delay(pair: Pair) -> float | None:
    waited_s, emitted = pair.grown("jitterBufferDelay"), pair.grown("jitterBufferEmittedCount")
    if waited_s is None or not emitted:
        return None
    delay = waited_s * 1_000 / emitted
    return delay if 0 <= delay <= _DELAY_MAX else None


def _loss(pairs: Sequence[Pair]) -> float | None:
    """Take the lost share of all packets together; duplicates can make a count of lost ones negative."""
    lost = received = 0.0
    for pair in pairs:
        arrived = pair.grown("packetsReceived")
        was, now = (number(track.stats.get("packetsLost"), -_LOST_MAX, _LOST_MAX) for track in pair.ends)
        if arrived is None or was is None or now is None:
            continue
        lost, received = lost + max(now - was, 0.0), received + arrived
    return None if lost + received < _PACKETS_MIN else lost / (lost + received)
