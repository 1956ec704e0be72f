"""What a status page says, as JSON and as a feed, and one that is served over real HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from rules.span import Instant, format_instant

PAGE = "status.example"


def update(at: Instant, status: str) -> dict[str, object]:
    """Word one update of an incident as the page's JSON has it."""
    return {"status": status, "body": "We look into it.", "created_at": format_instant(at), "display_at": None}


def incident(
    number: str, begun: Instant, *updates: tuple[Instant, str], resolved: Instant | None = None, **more: object
) -> dict[str, object]:
    """Word one incident; the updates are given oldest first, and stand newest first."""
    return {
        "id": number,
        "name": "Joins fail in one region",
        "status": updates[-1][1] if updates else "investigating",
        "impact": "major",
        "created_at": format_instant(begun),
        "started_at": format_instant(begun),
        "resolved_at": None if resolved is None else format_instant(resolved),
        "incident_updates": [update(*one) for one in reversed(updates)],
        "components": [{"name": "Signalling"}],
        **more,
    }


def listing(*incidents: Mapping[str, object], **more: object) -> bytes:
    """Word a page's JSON."""
    page = {"id": "p1", "name": "Example", "url": f"https://{PAGE}", "updated_at": "2026-11-02T12:00:00.000Z"}
    return json.dumps({"page": page, "incidents": list(incidents), **more}).encode()


def rss(*items: tuple[str, str, Sequence[tuple[str, str]]], head: str = "") -> bytes:
    """Word a feed: of each item its name, ``pubDate`` and updates (``Nov 2, 11:05 UTC``; word), newest first."""
    return "".join(
        [
            f'<?xml version="1.0" encoding="UTF-8"?>{head}<rss version="2.0"><channel><title>Example</title>',
            *(_item(*item) for item in items),
            "</channel></rss>",
        ]
    ).encode()


def _item(name: str, stamp: str, updates: Sequence[tuple[str, str]]) -> str:
    html = "".join(html_of(when, word) for when, word in updates)
    url = f"https://{PAGE}/incidents/{name}"
    described = html.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        f"<item><title>Joins fail</title><description>{described}</description>"
        f"<pubDate>{stamp}</pubDate><link>{url}</link><guid>{url}</guid></item>"
    )


def html_of(when: str, word: str) -> str:
    """Word one update as the feeds do, the day and the time each in an element of its own."""
    month, day, time, zone = when.replace(",", "").split()
    dated = f"{month} <var data-var='date'>{day}</var>, <var data-var='time'>{time}</var> {zone}"
    return f"<p><small>{dated}</small><br><strong>{word}</strong> - We look into it.</p>"


@dataclass
class FakePage:
    """A status page that answers as it is told, and remembers what it was asked."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    elsewhere: int = 0

    def app(self) -> web.Application:
        """Make what serves it; ``/elsewhere`` is where a redirect would lead."""
        app = web.Application()
        app.router.add_get("/api/v2/incidents.json", self._answer)
        app.router.add_get("/history.rss", self._answer)
        app.router.add_get("/elsewhere", self._else)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        tag = self.headers.get("ETag")
        if tag is not None and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=self.headers)
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    async def _else(self, _request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response(body=self.body)
