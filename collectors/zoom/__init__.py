"""Zoom: who came, who left, who waited in vain, and what its network measured, as its webhooks tell it."""

from collectors.zoom.webhook import Zoom, build

__all__ = ["Zoom", "build"]
