"""Where a provider announces its troubles."""

from dataclasses import dataclass
from urllib.parse import urlsplit

API_PATH = "/api/v2/incidents.json"
"""What is fetched of a page of which only the address is given: its last 50 incidents, open or over."""


@dataclass(frozen=True, slots=True)
class StatusPage:
    """One page that speaks for one provider, the provider as classes name it; written as the settings have it."""

    provider: str
    url: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.url}"

    @property
    def host(self) -> str:
        """By which its incidents are told from those of another page."""
        return urlsplit(self.url).netloc.lower()

    @property
    def fetched(self) -> str:
        """The URL that is asked: the one given, or the page's JSON where only the page is given."""
        return self.url if urlsplit(self.url).path.strip("/") else f"{self.url.rstrip('/')}{API_PATH}"
