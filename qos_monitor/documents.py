"""Reads the files a person names on the command line, and says what is wrong with them."""

from pathlib import Path

import msgspec

from rules.document import Invalid, Problem


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
    """Decode JSON. Raises Invalid, the problem bearing this path."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid([Problem(path, f"must be JSON in UTF-8 ({error})")]) from None
