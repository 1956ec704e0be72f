"""Reads Zoom's leave reasons: sentences with the participant's name in front, written in several ways."""

import html
import re
from dataclasses import dataclass

from collectors.body import CODE_MAX, short_text
from rules.observation import Fault

REASONS: tuple[tuple[str, Fault, str | None], ...] = (
    ("host did not join", Fault.PLATFORM, "teacher"),  # a platform must get its teacher in
    ("exceeded free meeting minutes limit", Fault.PLATFORM, "class"),  # our own subscription ended the class
    ("host ended the meeting", Fault.UNKNOWN, None),  # the end of a class, or too early: the others' losses tell
    ("host closed the meeting", Fault.UNKNOWN, None),
    ("host started a new meeting", Fault.UNKNOWN, None),
    ("removed by host from waiting room", Fault.UNKNOWN, None),  # before the shorter one that it holds
    ("removed by host", Fault.UNKNOWN, None),
    ("leave waiting room", Fault.UNKNOWN, None),  # admitted too late, or not patient: the text does not tell
    ("network connection error", Fault.UNKNOWN, None),
    ("unknown reason", Fault.UNKNOWN, None),
    ("got disconnected from the meeting", Fault.UNKNOWN, None),
    ("left the meeting", Fault.LEARNER, None),
)
"""What a reason holds, the fault it alone tells, and the dimension it blames; "session" reads as "meeting"."""

UNRECOGNISED: str = "unrecognised"
"""The code of a sentence we can find no reason in: it may hold a name, so its words are not kept."""

_LENGTH_MAX = 2_000
_TAG = re.compile(r"<[^<>]{0,200}>")
_ROOM = re.compile(r"\b(?:session|webinar)\b", re.IGNORECASE)
_DEED = re.compile(r"(?:left|got disconnected from) the meeting", re.IGNORECASE)
_MARK = re.compile(r"\breason\s*[:\uff1a]", re.IGNORECASE)
_EDGES = " .,;:-\u2013\uff1a"


@dataclass(frozen=True, slots=True)
class Reason:
    """The row of REASONS that fits; ``code`` is its wording, or Zoom's own where it is new."""

    code: str
    fault: Fault = Fault.UNKNOWN
    blames: str | None = None
    is_known: bool = True


def told(given: str) -> Reason:
    """Find the reason in a sentence, whatever its tags, spaces and name.

    The name comes first and is the learner's to choose ("Host did not join"), so only what follows the last
    "left the meeting" is looked at, and where nothing follows these very words.
    """
    plain = _ROOM.sub("meeting", " ".join(_TAG.sub(" ", html.unescape(given[-_LENGTH_MAX:])).split()))
    deeds = list(_DEED.finditer(plain))
    rest = plain[deeds[-1].end() :] if deeds else plain
    marks = list(_MARK.finditer(rest))
    words = (rest[marks[-1].end() :] if marks else rest).strip(_EDGES)
    if deeds and not words:
        words = deeds[-1].group()
    for wording, fault, blames in REASONS:
        if wording in words.casefold():
            return Reason(wording, fault, blames)
    has_no_name = bool(deeds or marks)
    return Reason((short_text(words, CODE_MAX) if has_no_name else None) or UNRECOGNISED, is_known=False)
