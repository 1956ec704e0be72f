"""What becomes of a case: its claims, what is sent, what the refund system answers, and the proof."""
