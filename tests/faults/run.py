"""Breaks everything as often as each entry says, and prints what came of it: `make faults` (or some, by name)."""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from fault_catalogue import FAULTS
from fault_lab import HEAD
from postgresql_server import served


def main() -> int:
    """Run the faults whose names hold one of the words given; 1 where anything was lost, doubled, unsent or changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of names; none: every fault")
    parser.add_argument("--trials", type=int, help="instead of each fault's own number")
    parser.add_argument("--seed", type=int, default=2026, help="of the moments (2026)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    chosen = [fault for fault in FAULTS if not options.words or any(word in fault.name for word in options.words)]
    print(HEAD, flush=True)
    outcomes = []
    for fault in chosen:
        for store in fault.stores:
            trials = options.trials or fault.trials
            if store == "sqlite":
                outcome = asyncio.run(fault.run(trials, None, options.seed))
            else:
                with served(is_durable=True) as server:  # one of its own: the next must not inherit what this one did
                    outcome = asyncio.run(fault.run(trials, server, options.seed))
            outcomes.append(outcome)
            print(outcome.row(), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=2) + "\n", encoding="utf-8")
    return 0 if outcomes and all(one.is_clean for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
