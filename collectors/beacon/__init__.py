"""The beacon: what a client itself saw, desync and joins that never reached a server among it."""

from collectors.beacon.token import Ticket, mint
from collectors.beacon.webhook import Beacon, build

__all__ = ["Beacon", "Ticket", "build", "mint"]
