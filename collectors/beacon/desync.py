"""How far audio runs ahead of video, or nothing at all: browsers give nonsense more often than a number.

Both published Chrome captures are hours off, so a value has to pass five tests (README, desync) to count.
"""

from collections.abc import Mapping, Sequence

from collectors.beacon.snapshot import Snapshot, Track
from collectors.body import number

AV_OFFSET_MAX: int = 10_000
"""Milliseconds; a larger offset is a broken clock, not a lip out of step."""
_SENDER_APART_MAX = 5_000  # a playout time lies within 5 s of what the sender's own report says
_TAKEN_APART_MAX = 100  # the two reports were taken at once
_NTP_TO_UNIX_MS = 2_208_988_800_000
_AGREE_MIN = 2
_MS_MAX = float(2**53)


def offset(snapshots: Sequence[Snapshot]) -> float | None:
    """Measure audio ahead of video in milliseconds over two or three snapshots; None is unknown, not 0.

    Of three, the one in the middle: it is over any limit only if two of the three are. Of two, the one nearer
    to nothing, for the same reason. Of several senders, the worst.
    """
    by_snapshot = [_by_stream(snapshot) for snapshot in snapshots]
    found = []
    for stream in by_snapshot[-1]:
        values = sorted(offsets[stream] for offsets in by_snapshot if stream in offsets)
        if len(values) >= _AGREE_MIN:
            found.append(values[1] if len(values) > _AGREE_MIN else min(values, key=abs))
    return max(found, key=abs, default=None)


def _by_stream(snapshot: Snapshot) -> Mapping[str, float]:
    streams: dict[str, dict[str, list[Track]]] = {}
    for track in snapshot.tracks.values():
        if track.stream is not None and not track.is_screen:
            streams.setdefault(track.stream, {}).setdefault(track.kind, []).append(track)
    found = {}
    for stream, kinds in streams.items():
        audio, video = kinds.get("audio", []), kinds.get("video", [])
        if len(audio) == len(video) == 1:  # with more it is not known which belong together
            value = _between(snapshot, audio[0], video[0])
            if value is not None:
                found[stream] = value
    return found


def _between(snapshot: Snapshot, audio: Track, video: Track) -> float | None:
    heard, seen = _playing(snapshot, audio), _playing(snapshot, video)
    at_audio, at_video = audio.timestamp, video.timestamp
    if heard is None or seen is None or at_audio is None or at_video is None:
        return None
    if abs(at_audio - at_video) > _TAKEN_APART_MAX:
        return None
    ahead = heard - seen - (at_audio - at_video)
    return ahead if abs(ahead) < AV_OFFSET_MAX else None


def _playing(snapshot: Snapshot, track: Track) -> float | None:
    """Give the sender's time of what is playing, in Unix milliseconds; None where it cannot be believed.

    Firefox 141 does not have the field. A video's may be hours off, with nothing else wrong.
    """
    report = snapshot.sender_of(track)
    playing = number(track.stats.get("estimatedPlayoutTimestamp"), 0, _MS_MAX)
    sent, reported = (number(report.get(name), 1, _MS_MAX) for name in ("remoteTimestamp", "timestamp"))
    taken = track.timestamp
    if playing is None or sent is None or reported is None or taken is None or track.state != "live":
        return None
    if number(report.get("reportsSent"), 1, _MS_MAX) is None:
        return None
    expected = sent + (taken - reported)
    unix = playing - _NTP_TO_UNIX_MS
    return unix if abs(unix - expected) <= _SENDER_APART_MAX else None
