"""Opens a delivery of files: a folder, or a zip read without unpacking it to the disk."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from qos_monitor import documents
from rules.document import Invalid, Problem

BYTES_MAX = 512 * 2**20
"""Most that is taken out of a zip: a few kilobytes can claim to be terabytes."""


def opened(path: Path) -> Mapping[str, bytes]:
    """Read every CSV of a folder or zip, by its bare name. Raises Invalid where it cannot be read."""
    if path.is_dir():
        return {file.name: documents.read_bytes(file) for file in sorted(path.glob("*.csv"))}
    return unzipped(str(path), documents.read_bytes(path))


def unzipped(name: str, body: bytes) -> Mapping[str, bytes]:
    """Read every CSV of a zip, by its bare name; one folder around them is usual. Raises Invalid."""
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            for entry in packed.infolist():
                bare = entry.filename.rpartition("/")[2]
                if not bare.endswith(".csv") or entry.filename.startswith("__MACOSX/"):
                    continue
                if bare in files:
                    raise Invalid([Problem(f"{name}/{bare}", "is in the zip twice")])
                files[bare] = _read(packed, entry, BYTES_MAX - sum(map(len, files.values())), name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        if isinstance(error, Invalid):
            raise
        raise Invalid([Problem(name, f"must be a folder or a zip that can be read ({type(error).__name__})")]) from None
    return files


def _read(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int, name: str) -> bytes:
    with packed.open(entry) as file:
        body = file.read(left + 1)
    if len(body) > left:
        raise Invalid([Problem(name, f"must hold at most {BYTES_MAX} bytes")])
    return body
