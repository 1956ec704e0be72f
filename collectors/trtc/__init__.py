"""Tencent TRTC: who was in which room, as its room and media callbacks tell it."""

from collectors.trtc.webhook import Trtc, build

__all__ = ["Trtc", "build"]
