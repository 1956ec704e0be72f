"""Readers of foreign files: bytes in, rows of the roster with the place each came from out."""
