"""Asks providers for their statistics after each class, once, before they are forgotten over there."""
