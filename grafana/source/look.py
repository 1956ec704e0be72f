"""One look for all panels: colours that eyes of every kind tell apart, and the same word in the same colour everywhere.

The colours are Okabe and Ito's; ages of outages go from light to dark (ColorBrewer's OrRd). No colour speaks alone:
what it says also stands there as a number, a name or a line.
"""

from collections.abc import Sequence
from typing import TypeAlias

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold, ThresholdsMode

Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on (the first from None, that is from below) which colour."""

GOOD, WARN, BAD, PLAIN = "#009E73", "#E69F00", "#D55E00", "text"
CALENDAR: Steps = ((None, BAD), (0, WARN), (47 * 86_400, GOOD))  # seconds; from 15 November on the next year is wanted
SKY, _GREY, _PURPLE, _BLUE = "#56B4E9", "#999999", "#CC79A7", "#0072B2"

OF_WORDS = {
    "in": GOOD,
    "struggling": WARN,
    "shut_out": BAD,
    "absent": _GREY,
    "arriving": SKY,
    "away": _PURPLE,
    "platform": BAD,
    "learner": SKY,
    "unknown": _GREY,
    "under_6h": "#fdd49e",
    "under_24h": "#fdbb84",
    "under_36h": "#fc8d59",
    "under_44h": "#ef6548",
    "under_48h": "#d7301f",
    "over_48h": "#990000",
    "overdue": BAD,
    "soon": WARN,
    "later": SKY,
    "ATTENDED": GOOD,
    "DEGRADED": WARN,
    "UNABLE_PLATFORM": BAD,
    "UNABLE_LEARNER": SKY,
    "NO_SHOW": _PURPLE,
    "CANCELLED": _BLUE,
    "UNKNOWN": _GREY,
    "failed": BAD,
    "refused": BAD,
    "ok": GOOD,
    "accepted": GOOD,
}
"""The colour of a value of a label, where it is the last word of a legend."""


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Give the builder of thresholds."""
    made = [Threshold(value=value, color=color) for value, color in steps or [(None, SKY)]]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def is_low_bad(steps: Steps) -> bool:
    """Say whether small values are the bad ones, as of a share delivered."""
    return bool(steps) and steps[0][1] == BAD


def painted(word: str) -> tuple[str, list[DynamicConfigValue]]:
    """Name the series whose legend ends in the word, and what gives them its colour."""
    colour = {"mode": "fixed", "fixedColor": OF_WORDS[word]}
    return f"/(^|\\s){word}$/", [DynamicConfigValue(id_val="color", value=colour)]
