"""LiveKit: who came in, who left and who could not, as its server's webhooks tell it."""

from collectors.livekit.webhook import LiveKit, build

__all__ = ["LiveKit", "build"]
