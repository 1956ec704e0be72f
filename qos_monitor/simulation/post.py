"""One request the school's providers and clients make, and the secrets they sign with."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from rules.span import Instant


@dataclass(frozen=True, slots=True)
class Keys:
    """What the demo's providers, clients and backend sign with; made up, and good for nothing else."""

    agora: str
    livekit: tuple[str, str]
    beacon: str
    observations: str


@dataclass(frozen=True, slots=True)
class Post:
    """A request ready to be sent: everything about it is decided, so that a plan can be compared with another."""

    sent_at: Instant
    path: str
    headers: Mapping[str, str]
    body: bytes


def number_of(*names: str) -> int:
    """Give a number of 31 bits that is the same for the same names, as a provider's own ids are."""
    return int.from_bytes(hashlib.sha256("\x00".join(names).encode()).digest()[:4]) >> 1


def letters_of(*names: str) -> str:
    """Give twelve letters and digits that are the same for the same names."""
    return hashlib.sha256("\x00".join(names).encode()).hexdigest()[:12]
