"""Anything else: observations in our own format, signed as Standard Webhooks has it."""

from collectors.generic.webhook import Generic, build

__all__ = ["Generic", "build"]
