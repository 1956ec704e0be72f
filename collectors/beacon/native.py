"""What Agora's native SDKs measure themselves: RemoteAudioStats and RemoteVideoStats, once in two seconds."""

from collectors.beacon.desync import AV_OFFSET_MAX
from collectors.body import Object, inner, number

SPAN_MAX: int = 120_000
_DELAY_MAX = 60_000
_FPS_MAX = 240
_TIME_MAX = 10**9


def metrics(item: Object, length_ms: int, notes: list[str]) -> dict[str, float]:
    """Measure one item over its span; a value that cannot be is left out and noted.

    ``totalFrozenTime`` of two callbacks tells what happened between them. ``frozenRate`` is a share of the
    whole stay since the join, so it stands in only where the callback before is missing.
    """
    if length_ms > SPAN_MAX:
        notes.append("span")
        return {}
    audio, video = inner(item.get("audio")), inner(item.get("video"))
    before = inner(item.get("previous"))
    found = {
        "audio_frozen": _frozen(inner(before.get("audio")), audio, length_ms, notes),
        "video_frozen": _frozen(inner(before.get("video")), video, length_ms, notes),
        "av_offset_ms": _taken(video, "avSyncTimeMs", (-AV_OFFSET_MAX, AV_OFFSET_MAX), notes),
        "delay_ms": _delay(audio, video, notes),
        "loss": _share(_taken(audio, "audioLossRate", (0, 100), notes)),
        "fps": _taken(video, "rendererOutputFrameRate", (0, _FPS_MAX), notes),
    }
    return {name: value for name, value in found.items() if value is not None}


def _taken(stats: Object, name: str, bounds: tuple[float, float], notes: list[str]) -> float | None:
    if stats.get(name) is None:
        return None
    value = number(stats[name], *bounds)
    if value is None:
        notes.append("metric")
    return value


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _frozen(before: Object, after: Object, length_ms: int, notes: list[str]) -> float | None:
    was = _taken(before, "totalFrozenTime", (0, _TIME_MAX), notes)
    now = _taken(after, "totalFrozenTime", (0, _TIME_MAX), notes)
    if was is None or now is None:
        return _share(_taken(after, "frozenRate", (0, 100), notes))
    if now < was:  # it counts from zero again: joined anew
        notes.append("counter_reset")
        return None
    return min((now - was) / length_ms, 1.0)


def _delay(audio: Object, video: Object, notes: list[str]) -> float | None:
    found = [_taken(stats, "e2eDelay", (0, _DELAY_MAX), notes) for stats in (audio, video)]
    known = [value for value in found if value]  # 0: not measured
    return max(known, default=None)
