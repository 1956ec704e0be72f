"""What every answer says to a browser, whatever route it came from, and what proxies say of a request."""

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

EVERYWHERE: CIMultiDictProxy[str] = CIMultiDictProxy(
    CIMultiDict(
        {
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
    )
)
"""Nothing here is a page to run, to frame or to keep, unless a handler said otherwise."""


def forwarded(request: web.Request) -> str:
    """Give every line of X-Forwarded-For as one, in order: some proxies add a line of their own, not an entry."""
    return ",".join(request.headers.getall("X-Forwarded-For", ()))


async def put(_request: web.Request, response: web.StreamResponse) -> None:
    """Add what the handler did not set itself."""
    headers = response.headers
    for name, value in EVERYWHERE.items():
        if name not in headers:
            headers[name] = value
