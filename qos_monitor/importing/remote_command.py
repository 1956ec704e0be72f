"""``qos-monitor import oneroster-rest`` and ``nrps``: rosters that another system gives over HTTP."""

import argparse
from typing import TypeAlias

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names it no other way


def add_to(kinds: Kinds, people: list[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    """Put the systems that are asked into the command line."""
