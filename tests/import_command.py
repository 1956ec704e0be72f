"""Runs ``qos-monitor import`` against a server of `roster_server`, and reads what was printed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from roster_server import CLIENT

from qos_monitor import cli

Arguments: TypeAlias = Callable[[str, tuple[str, ...]], list[str]]
"""Of the server's address, and what else is asked for: everything behind ``import``."""


@dataclass(slots=True)
class ImportCommand:
    """One kind of import from one server."""

    url: str
    capsys: pytest.CaptureFixture[str]
    arguments: Arguments

    def run(self, *more: str) -> tuple[int, str, str]:
        """Run it; give exit code, output and errors, none of which may hold a secret."""
        code = cli.main(["import", *self.arguments(self.url, more)])
        told = self.capsys.readouterr()
        assert CLIENT[1] not in told.out + told.err
        assert "token-" not in told.err
        return code, told.out, told.err

    def done(self, *more: str) -> dict[str, Any]:
        """Run it, which must go well; give what it printed."""
        code, out, err = self.run(*more)
        assert (code, err) == (0, "")
        told: dict[str, Any] = json.loads(out)
        return told

    def refused(self, *more: str) -> str:
        """Run it, which must be refused; give the words, without the server's address."""
        code, out, err = self.run(*more)
        assert (code, out) == (2, "")
        return err.replace(self.url, "")
