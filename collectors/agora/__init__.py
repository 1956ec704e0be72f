"""Agora (声网): who was in which channel, as its notification service (NCS) tells it."""

from collectors.agora.webhook import Agora, build

__all__ = ["Agora", "build"]
