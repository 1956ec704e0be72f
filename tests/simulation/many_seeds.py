"""Plays thousands of seeds on every core, and prints those that break a law: ``many_seeds.py COUNT [FIRST]``."""

import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from seeded_run import stage

_PIECE = 50


def _play(seeds: Iterable[int]) -> tuple[int, list[str]]:
    deaths, broken = 0, []
    with stage() as empty:
        for seed in seeds:
            try:
                deaths += empty.play(seed)
            except AssertionError as error:
                broken.append(str(error))
    return deaths, broken


def main(count: int, first: int = 0) -> int:
    """Play so many seeds; answer 1 where one breaks a law."""
    began, deaths, broken = time.monotonic(), 0, 0
    pieces = [range(start, min(start + _PIECE, first + count)) for start in range(first, first + count, _PIECE)]
    with ProcessPoolExecutor(int(os.environ.get("CORES", os.cpu_count() or 1))) as pool:
        for piece, (died, told) in zip(pieces, pool.map(_play, pieces), strict=True):
            deaths, broken = deaths + died, broken + len(told)
            print(*told, sep="\n", end="\n" if told else "")
            print(
                f"to seed {piece.stop - 1}: {broken} broken, {deaths} deaths, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
