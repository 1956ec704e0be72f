"""Providers' own status pages: Atlassian Statuspage as JSON, RSS and Atom. README.md here has the facts.

Only the names are given here, as in every folder of a provider; nothing is built at import.
"""

from collectors.statuspage.pages import StatusPage
from collectors.statuspage.reader import READER, StatusPages

__all__ = ["READER", "StatusPage", "StatusPages"]
