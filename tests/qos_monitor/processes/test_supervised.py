"""`serve --workers 2`: two processes on one port, each with metrics of its own; what dies is started again."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
from database import Database
from several import Group, group, listening, samples, until
from under_load import agora

SENT = 40
UNMAPPED = 'qos_observations_unmapped{provider="agora",what="room"}'
"""Each webhook is of a room that no roster knows."""


async def test_two_processes_answer_on_one_port_are_started_again_and_end_together(tmp_path: Path) -> None:
    async with group(tmp_path, Database(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")) as several:
        parent = await several.start("all", "--workers", "2")
        await until(lambda: _listened(parent.log, 2))
        ports = {line["number"]: line["metrics_port"] for line in listening(parent.log)}
        shared = {line["port"] for line in listening(parent.log)}
        await asyncio.gather(*(_send(parent.url, number) for number in range(SENT)))
        counted = [await _scraped(port, "process") for port in ports.values()]
        await until(lambda: _agree(list(ports.values())))

        os.kill(_children(parent.process.pid)[0], signal.SIGKILL)
        await until(lambda: _listened(parent.log, 3))
        again = listening(parent.log)[2]
        parent.process.send_signal(signal.SIGHUP)  # ends nobody: each process sees for itself what is new
        answered = [await _send(parent.url, SENT + number) for number in range(8)]
        code = await parent.terminate()
        ended = several.events("process_ended")

    taken = [values['qos_deliveries_total{provider="agora",result="accepted"}'] for values in counted]
    assert len(shared) == 1
    assert set(ports) == {0, 1}
    assert sum(taken) == SENT
    assert min(taken) > 0
    assert [event["code"] for event in ended] == [-signal.SIGKILL]
    assert (again["number"], again["port"]) == (ended[0]["number"], parent.port)
    assert answered == [200] * 8
    assert code == 0


async def _listened(log: Path, count: int) -> bool:
    return len(listening(log)) >= count


async def _send(url: str, number: int) -> int:
    """Send one webhook over a connection of its own; answer the status."""
    sent = agora(number)
    where, headers = url + sent.path, sent.headers
    async with aiohttp.ClientSession() as client, client.post(where, data=sent.body, headers=headers) as answer:
        return answer.status


async def _scraped(port: object, of: str) -> dict[str, float]:
    where = f"http://127.0.0.1:{port}/metrics?from={of}"
    async with aiohttp.ClientSession() as client, client.get(where) as answer:
        return samples(await answer.text())


async def _agree(ports: list[object]) -> bool:
    """Say whether all webhooks are read, and both processes tell the same of the database."""
    first, second = [await _scraped(port, "database") for port in ports]
    is_read = first.get("qos_deliveries_waiting") == 0 and first.get(UNMAPPED) == SENT
    return is_read and _steady(first) == _steady(second)


def _steady(values: dict[str, float]) -> dict[str, float]:
    """Leave out what tells of the reading itself, and how large the file is just now."""
    return {name: value for name, value in values.items() if "_reading_" not in name and "_database_" not in name}


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_children_end_where_their_parent_is_killed(tmp_path: Path) -> None:
    async with group(tmp_path, Database(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")) as several:
        parent = await several.start("intake", "--workers", "2")
        await until(lambda: _listened(parent.log, 2))

        await parent.kill()

        await until(lambda: _stopped(several, 2))


async def _stopped(several: Group, count: int) -> bool:
    return len(several.events("stopped")) == count
