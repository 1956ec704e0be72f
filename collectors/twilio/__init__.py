"""Twilio Video: who came and who left, and afterwards why, as its callbacks and event streams tell it."""

from collectors.twilio.webhook import Twilio, build

__all__ = ["Twilio", "build"]
