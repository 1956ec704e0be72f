"""Runs the service with a bug in Agora's collector for as long as the file named in FAULTY_WHILE exists."""

import os
import sys
from pathlib import Path

from collectors.agora.webhook import Agora
from collectors.contract import Delivery, Reading
from qos_monitor.cli import main


def plant(bug_while: Path) -> None:
    """Let reading fail while the file is there; believing and naming a delivery go on."""
    well = Agora.read

    def read(self: Agora, delivery: Delivery) -> Reading:
        if bug_while.exists():
            raise ZeroDivisionError("a bug in a collector")
        return well(self, delivery)

    Agora.read = read  # type: ignore[method-assign]  # the bug


if __name__ == "__main__":
    plant(Path(os.environ["FAULTY_WHILE"]))
    sys.exit(main())
