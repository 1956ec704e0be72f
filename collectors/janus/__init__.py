"""Janus, the school's own SFU: joins, failures and what each learner received, as its event handler tells them."""

from collectors.janus.webhook import Janus, build

__all__ = ["Janus", "build"]
