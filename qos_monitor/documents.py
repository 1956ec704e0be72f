"""Reads the files a person names on the command line, and says what is wrong with them."""

from pathlib import Path

import msgspec

from rules.document import Invalid, Problem


class NotJson(Invalid):
    """Bytes that are not JSON in UTF-8 at all."""


def read_bytes(file: Path) -> bytes:
    """Read a file whole. Raises Invalid where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Invalid([Problem(str(file), f"cannot be read ({error.strerror})")]) from None


def read_json(file: Path) -> object:
    """Read a JSON file; NaN and Infinity are not JSON. Raises Invalid where it cannot be read."""
    return decoded(read_bytes(file), str(file))


def decoded(body: bytes, path: str = "") -> object:
    """Decode JSON. Raises NotJson, the problem bearing this path."""
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError as error:  # msgspec looks into texts with Python's own decoder
        raise NotJson([Problem(path, f"must be JSON in UTF-8 ({error.reason})")]) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotJson([Problem(path, f"must be JSON in UTF-8 ({error})")]) from None
