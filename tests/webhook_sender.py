"""Signed webhooks made beforehand, and a sender that costs little beside the server it measures."""

import hashlib
import hmac
import json
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

SECRET = "an-agora-secret"
PATH = "/webhooks/agora"
_HEAD_END = b"\r\n\r\n"
_STUCK_S = 30.0


def request(number: int) -> bytes:
    """Write one signed Agora notice, as bytes on the wire; every number is another event."""
    at = 1_793_617_200_000 + number
    payload = {
        "channelName": f"r{number % 500}",
        "uid": number,
        "account": f"u{number}",
        "clientSeq": at,
        "ts": at // 1000,
    }
    body = json.dumps(
        {
            "noticeId": f"n{number}",
            "productId": 1,
            "eventType": 103,
            "notifyMs": at,
            "payload": payload | {"platform": 7},
        }
    ).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Agora-Signature-V2: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Run:
    """One turn of one server."""

    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0
    took_s: float = 0.0


@dataclass(slots=True)
class _Line:
    """One connection that sends the next request when the last one was answered."""

    socket: socket.socket
    sent_at_s: float = 0.0
    held: bytes = b""


def turn(port: int, connections: int, requests: Sequence[bytes], seconds: float) -> Run:
    """Send for so long, over so many connections that each wait for their answer.

    Plain sockets, for what the sender needs of the two cores the server does not get. Raises RuntimeError where the
    requests run out (a repeat would be cheaper than an event that is new), or where an answer does not come.
    """
    run, waiting = Run(), iter(requests)
    with selectors.EpollSelector() as selector:
        lines = [_Line(_connected(port)) for _ in range(connections)]
        began_s = time.perf_counter()
        for line in lines:
            selector.register(line.socket, selectors.EVENT_READ, line)
            _send(line, waiting)
        open_lines = connections
        while open_lines:
            open_lines -= _answered(selector, run, waiting, began_s + seconds)
        run.took_s = time.perf_counter() - began_s
        for line in lines:
            line.socket.close()
    return run


def _connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _send(line: _Line, waiting: Iterator[bytes]) -> None:
    wanted = next(waiting, None)
    if wanted is None:
        raise RuntimeError("more requests must be made beforehand for so long a turn")
    line.sent_at_s = time.perf_counter()
    line.socket.send(wanted)  # a kilobyte at most: the kernel takes it whole


def _answered(selector: selectors.EpollSelector, run: Run, waiting: Iterator[bytes], ends_at_s: float) -> int:
    """Take what has come and send on; answers how many connections have sent their last."""
    ready = selector.select(_STUCK_S)
    if not ready:
        raise RuntimeError("an answer did not come")
    ended = 0
    for key, _ in ready:
        line: _Line = key.data
        got = line.socket.recv(4096)
        if not got:
            raise RuntimeError("the server hung up")
        answer = line.held + got if line.held else got
        if not _is_whole(answer):
            line.held = answer
            continue
        line.held = b""
        now_s = time.perf_counter()
        run.latencies_s.append(now_s - line.sent_at_s)
        run.refused += not answer.startswith(b"HTTP/1.1 2")
        if now_s < ends_at_s:
            _send(line, waiting)
        else:
            selector.unregister(line.socket)
            ended += 1
    return ended


def _is_whole(answer: bytes) -> bool:
    head, found, rest = answer.partition(_HEAD_END)
    if not found:
        return False
    at = head.find(b"Content-Length: ")
    return at < 0 or len(rest) >= int(head[at + 16 :].split(b"\r\n", 1)[0])
