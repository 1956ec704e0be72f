"""``GET /runbooks/`` and ``/runbooks/<Name>``: what to do about an alert. No login: they hold nothing personal."""

from importlib.resources import files
from pathlib import Path

from aiohttp import web

from qos_monitor.web.answers import refused

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_INDEX = "README"


class Runbooks:
    """Serves the pages of ``docs/runbooks`` as they are, as Markdown."""

    def __init__(self) -> None:
        """Read all pages: from the wheel, or from the sources of an editable install."""
        carried = Path(str(files("qos_monitor"))) / "runbooks"
        folder = carried if carried.is_dir() else Path(__file__).parents[2] / "docs" / "runbooks"
        self._pages = {page.stem: page.read_bytes() for page in folder.glob("*.md")}

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application."""
        app.router.add_get("/runbooks/", self.show)
        app.router.add_get("/runbooks/{name}", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Answer one page, or the index; 404 where no page has this name."""
        name = request.match_info.get("name", _INDEX).removesuffix(".md")
        page = self._pages.get(name)
        if page is None:
            return refused("there is no runbook of this name; /runbooks/ lists them", 404)
        return web.Response(body=page, content_type="text/markdown", charset="utf-8", headers=_HEADERS)
