"""What Zoom's ids are to us: of a participant the one that a roster can know, of everything a text."""

from collectors.body import INTEGER_MAX, Object, short_text, whole

PARTICIPANT_KEYS: tuple[str, ...] = (
    "customer_key",  # what the school's own app gave
    "user_key",  # the same in a Video SDK session
    "registrant_id",
    "participant_user_id",  # a Zoom account, where somebody is signed in
    "id",
    "user_id",  # changes with every join: no roster can know it
    "participant_id",
)


LASTING_KEYS: tuple[str, ...] = PARTICIPANT_KEYS[: PARTICIPANT_KEYS.index("user_id")]
"""Those that stay from one coming to the next, so that a roster can hold them."""


def named(person: Object) -> str | None:
    """Name a participant as far as a roster can know them; None where nothing names them."""
    return next(filter(None, (label(person.get(key)) for key in PARTICIPANT_KEYS)), None)


def label(given: object) -> str | None:
    """Take an id that is a text in one event and a number in the next."""
    if isinstance(given, str):
        return short_text(given.strip())
    number = whole(given, 0, INTEGER_MAX)
    return None if number is None else str(number)
