"""A real Chromium with a made-up camera and microphone, for tests/e2e; needs Debian's chromium."""

import os
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

PROGRAM: str = "chromium"
_FLAGS: tuple[str, ...] = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # A page that nobody looks at is slowed down, and would be judged for it.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    # The addresses of the cables, not names that only mDNS can resolve.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


def require() -> None:
    """Say what is missing. Raises RuntimeError: these tests fail where they cannot run, they do not pass by."""
    if shutil.which(PROGRAM) is None:
        raise RuntimeError(f"{PROGRAM} not found: apt-get install {PROGRAM}")


@asynccontextmanager
async def chromium(folder: Path, origins: Sequence[str] = (), within: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Run a browser that gives ``origins`` the rights of https; ``within`` are words to start it with.

    ``folder`` is for what starts it; two browsers need two folders.
    """
    require()
    program = folder / PROGRAM
    program.write_text(f'#!/bin/sh\nexec {" ".join((*within, PROGRAM))} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    flags = [*_FLAGS, *(f"--unsafely-treat-insecure-origin-as-secure={one}" for one in [",".join(origins)] if one)]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium cannot make its sandbox as root
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page(browser: Browser, url: str, expected: str | None = None) -> AsyncIterator[Page]:
    """Open a page of its own. What went wrong on it fails the test at the end: errors, and errors on the console.

    Of the console's, those that hold ``expected`` do not count: a browser tells of every answer above 399 there.
    """
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and (expected is None or expected not in message.text):
            wrong.append(message.text)

    opened = await browser.new_page()
    opened.on("console", note)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    await opened.goto(url)
    yield opened
    await opened.close()
    assert not wrong, wrong


@asynccontextmanager
async def files(host: str, *paths: Path) -> AsyncIterator[str]:
    """Serve these files under their names; gives the origin."""
    app = web.Application()
    for path in paths:
        app.router.add_get(f"/{path.name}", _serve(path))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _serve(path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    return answer
