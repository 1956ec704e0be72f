"""Reads observations of our own format, one JSON object a line."""

from collections.abc import Iterator

import msgspec

from rules.document import Problem
from rules.observation import Observation, read_observation


def observations(body: bytes, problems: list[Problem]) -> Iterator[tuple[str, Observation]]:
    """Give each line that is an observation, with its place (``line 3``); empty lines count but say nothing.

    Every mistake is appended to ``problems``, its path beginning with the place.
    """
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        path = f"line {number}"
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problems.append(Problem(path, f"must be JSON in UTF-8 ({error})"))
            continue
        observation = read_observation(value, path, problems)
        if observation is not None:
            yield path, observation
