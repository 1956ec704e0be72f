"""What a file of evidence proves and what it does not, in words for whoever was handed one."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qos_monitor.claims import bundle

_UNUSED = "times of recording, counts of others, words of the policy, its place in the chain"
"""What a bundle holds and a result may be the same without."""


@dataclass(frozen=True, slots=True)
class File:
    """A bundle as it was handed over."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Its hash, in hex."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found, line by line; ``is_good`` where nothing contradicts."""

    lines: tuple[str, ...]
    is_good: bool


def examine(files: Sequence[File], sha256: str | None = None) -> Proof:
    """Judge every bundle again, and check the hash and the chain as far as these are given.

    ``files`` are at least one, oldest first; of several each must name the one before. ``sha256``, in hex, is what
    the claim carries of the last one. A result that is the same does not mean that the file is: the lines say what
    is left unproved.
    """
    lines: list[str] = []
    problems = 0
    for file in files:
        differences = bundle.verify(file.data)
        problems += len(differences)
        lines += [file.name, f"  SHA-256 {file.sha256}"]
        lines += [f"  differs: {difference}" for difference in differences]
        if not differences:
            lines.append("  equal: judged again, the inputs in the file give the result in the file")
    contradictions = [*_hash(files[-1], sha256), *_chain(files)]
    problems += len(contradictions)
    lines += contradictions or _proved(files, sha256)
    return Proof((*lines, *_unproved(files, sha256)), not problems)


def _hash(last: File, sha256: str | None) -> Iterator[str]:
    if sha256 is not None and sha256.strip().lower() != last.sha256:
        yield f"another file: {last.name} does not have the hash that was given, {sha256}"


def _chain(files: Sequence[File]) -> Iterator[str]:
    if len(files) > 1:
        yield from (f"no chain: {problem}" for problem in bundle.verify_chain(file.data for file in files))


def _proved(files: Sequence[File], sha256: str | None) -> Iterator[str]:
    if sha256 is not None:
        yield f"proved: {files[-1].name} is, byte for byte, the file of which the hash was given"
    if len(files) > 1:
        yield "proved: each file carries the hash of the one before it"


def _unproved(files: Sequence[File], sha256: str | None) -> Iterator[str]:
    if sha256 is None:
        yield f"not proved: that nothing was changed on which no result depends ({_UNUSED})."
        yield "  Give --sha256 with the hash that the claim carries."
    if len(files) == 1:
        yield "not proved: that nothing before it was changed or left out. Give the earlier bundles too, oldest first."
    yield "not proved: that the observations are what happened; the deliveries they were read from show that."
