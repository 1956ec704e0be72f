"""What paths are made of."""

ANY_ID = "{id:[^/]+}"
"""An id that a school chose: unless told so, aiohttp finds none with braces, which some systems write."""
