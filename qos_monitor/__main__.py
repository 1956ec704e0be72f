"""Runs the command line as `python -m qos_monitor`."""

import sys

from qos_monitor.cli import main

sys.exit(main())
