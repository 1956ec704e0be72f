"""Asks providers: who is in a class that runs, what was measured after it before they forget it, what they announce."""
