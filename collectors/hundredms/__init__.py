"""100ms: who was in which room and who could not get in, as its webhooks tell it."""

from collectors.hundredms.webhook import HundredMs, build

__all__ = ["HundredMs", "build"]
