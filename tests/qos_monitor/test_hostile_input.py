"""What a stranger may send to the real service: nested, compressed, smuggled, huge; it answers and lives on."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from claim_parts import SECRET
from running import Running, running
from service_parts import TOKEN

from qos_monitor import documents
from qos_monitor.claims.signing import signed as signed_headers
from qos_monitor.clock import SystemClock
from qos_monitor.importing import delivery
from qos_monitor.web import app as web_app
from qos_monitor.web.headers import EVERYWHERE
from rules.document import Invalid

AGORA = "an agora secret"
DEEP = 100_000
BOMBS = {
    "lists": b"[" * DEEP + b"]" * DEEP,
    "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "open lists": b"[" * DEEP,
    "a number without end": b'{"id":' + b"9" * DEEP + b"}",
    "an exponent": b'{"id":1e999999999}',
    "keys without end": b"{" + b",".join(b'"k%d":1' % number for number in range(20_000)) + b"}",
    "half a character": b'{"id":"\\ud800"}',
    "not text": b"\xff\xfe\x00",
    "nothing": b"",
}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    names = ("ROSTER", "CASES", "OBSERVATIONS", "EVIDENCE")
    tokens = {f"QOS_{name}_TOKEN": TOKEN for name in names}
    return {**tokens, "QOS_AGORA_SECRETS": AGORA, "QOS_STATUS_SECRETS": SECRET}


@pytest.fixture
async def service(tmp_path: Path, environ: dict[str, str]) -> AsyncIterator[Running]:
    async with running(tmp_path, environ) as made:
        yield made


def _signed(body: bytes) -> dict[str, str]:
    return {"Agora-Signature-V2": hmac.new(AGORA.encode(), body, hashlib.sha256).hexdigest()}


async def test_json_that_is_nested_or_wrong_without_end_is_answered_at_every_door(service: Running) -> None:
    doors = [
        ("PUT", "/v1/roster"),
        ("PUT", "/v1/identities"),
        ("POST", "/v1/observations"),
        ("POST", "/v1/evidence"),
        ("POST", "/v1/cases/x/decision"),
    ]
    async with aiohttp.ClientSession(service.url) as client:
        for name, body in BOMBS.items():
            for method, path in doors:
                async with client.request(method, path, data=body, headers=BEARER) as answer:
                    assert answer.status in {202, 400, 413, 422}, (name, path)
            async with client.post("/webhooks/agora", data=body, headers=_signed(body)) as answer:
                assert answer.status == 200, name  # it is believed and kept; that it is unreadable is counted
        async with asyncio.timeout(60):
            while True:
                async with client.get("/metrics?from=process") as answer:
                    text = await answer.text()
                read = 'qos_deliveries_read_total{provider="agora",result="unreadable"}'
                if f"{read} {len(BOMBS)}.0" in text:
                    break
                await asyncio.sleep(0.1)
        async with client.get("/healthz") as answer:
            assert answer.status == 200


async def test_a_signed_report_of_the_refund_system_that_is_a_bomb_is_answered(service: Running) -> None:
    async with aiohttp.ClientSession(service.url) as client:
        for name, body in BOMBS.items():
            if name == "not text":
                continue
            headers = signed_headers([SECRET], "m", body, SystemClock().now())
            async with client.post("/v1/claims/x/status", data=body, headers=headers) as answer:
                assert answer.status in {400, 404, 422}, name


async def test_a_compressed_body_is_never_unpacked(service: Running) -> None:
    bomb = gzip.compress(b"[" * 50_000_000, 9)
    assert len(bomb) < 100_000
    async with aiohttp.ClientSession(service.url) as client:
        for method, path in (("PUT", "/v1/roster"), ("POST", "/v1/observations"), ("POST", "/v1/evidence")):
            for encoding in ("gzip", "deflate", "br", "GZIP"):
                headers = {**BEARER, "Content-Encoding": encoding}
                async with client.request(method, path, data=bomb, headers=headers) as answer:
                    assert answer.status == 415, (path, encoding)
        headers = {**BEARER, "Content-Encoding": "gzip"}
        async with client.post("/v1/cases/x/decision", data=bomb, headers=headers) as answer:
            assert answer.status == 400  # read as the bytes it is, which are no JSON


async def test_who_is_not_believed_yet_cannot_have_much_taken_apart(service: Running) -> None:
    """Fields without end took seconds, in which no webhook was answered."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession(service.url) as client:
        for fields, status in ((16_384, 403), (16_385, 413)):
            async with client.post("/console/sign-in", data=b"a=1&" * fields, headers=form) as answer:
                assert answer.status == status
        file = aiohttp.FormData({"token": TOKEN, "name": "Li Wei"})
        file.add_field("file", b"x" * 1000, filename="x")
        async with client.post("/console/sign-in", data=file) as answer:
            assert answer.status == 403  # files are not what the form sends
        async with client.post("/v1/claims/x/status", data=io.BytesIO(b" " * 1_048_577)) as answer:
            assert answer.status == 413


async def test_a_name_or_filter_that_no_database_takes_is_4xx_and_no_trouble_of_the_database(service: Running) -> None:
    """PostgreSQL takes no NUL, no database a number of 21 digits; the page after "-1" is none of ours."""
    names = ["/v1/cases/a%00b", "/v1/learners/%00/timeline", "/v1/bundles/%00", "/v1/cases?learner=%00"]
    cursors = [base64.urlsafe_b64encode(text).decode().rstrip("=") for text in (b"-1 x", b"9" * 21 + b" x", b"1 x\0")]
    filters = ["limit=0000000011", *(f"cursor={cursor}" for cursor in cursors)]
    async with aiohttp.ClientSession(service.url, headers=BEARER) as client:
        for path in names:
            async with client.get(path) as answer:
                assert answer.status == 400, path
        for query in filters:
            async with client.get(f"/v1/cases?{query}") as answer:
                assert answer.status == 422, query


SMUGGLED = {
    "two lengths": "Content-Length: 2\r\nContent-Length: 44\r\n",
    "a length and chunks": "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    "a list of lengths": "Content-Length: 2, 44\r\n",
    "a signed length": "Content-Length: +2\r\n",
    "a length in hexadecimals": "Content-Length: 0x2\r\n",
    "chunks twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "an encoding nobody knows": "Transfer-Encoding: xchunked\r\n",
    "chunked, then another": "Transfer-Encoding: chunked, identity\r\n",
    "a space before the colon": "Transfer-Encoding : chunked\r\n",
    "a bare line feed": "X-One: 1\nTransfer-Encoding: chunked\r\n",
    "a NUL": "X-One: \x001\r\n",
}


async def test_a_request_is_never_smuggled_behind_another(service: Running) -> None:
    """Two parsers that disagree where a body ends let a stranger's bytes be taken for somebody else's request."""
    behind = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    heard = {}
    for name, head in SMUGGLED.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(f"POST /webhooks/agora HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + b"{}" + behind)
        async with asyncio.timeout(30):
            answered = await reader.read()
        writer.close()
        heard[name] = [line.split(b" ")[1] for line in answered.split(b"\r\n") if line.startswith(b"HTTP/1.")]

    assert heard == {name: [b"400"] for name in SMUGGLED}


NO_HTTP = {
    "another language": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a line without end": b"GET /<script>" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bad header": b"GET /<script> HTTP/1.1\r\nHost : <script>\r\n\r\n",
    "two lengths": b"POST /webhooks/agora HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n<script>",
}


async def test_what_is_no_http_is_answered_as_safely_as_all_else_and_is_no_error_of_ours(service: Running) -> None:
    for name, sent in NO_HTTP.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(sent)
        async with asyncio.timeout(30):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head.split(b" ")[1] == b"400", name
        told = head.decode().lower()
        assert [field for field in EVERYWHERE if f"{field.lower()}: " not in told] == [], name
        assert b"script" not in head + body, name

    assert [event for event in service.events() if event["level"] == "error"] == []


async def test_a_bug_of_ours_is_answered_as_safely_as_all_else() -> None:
    async def wrong(_request: web.Request) -> web.Response:
        raise ZeroDivisionError

    runner = web_app.runner(web_app.create([], [web.get("/wrong", wrong)], 0), 1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client,
        client.get("/wrong", headers={"Accept": "text/html"}) as answer,
    ):
        text, told = await answer.text(), answer.headers
        assert answer.status == 500
    await runner.cleanup()

    assert {field: told.getall(field) for field in EVERYWHERE} == {field: [EVERYWHERE[field]] for field in EVERYWHERE}
    assert "ZeroDivision" not in text


async def test_a_head_without_end_is_cut_off(service: Running) -> None:
    async with aiohttp.ClientSession(service.url) as client:
        async with client.get("/v1/cases", headers={"X-Long": "x" * 100_000}) as answer:
            assert answer.status == 400
        async with client.get("/healthz") as answer:
            assert answer.status == 200


async def test_where_a_header_is_given_twice_the_first_counts_and_a_second_signature_is_no_way_in(
    service: Running,
) -> None:
    body = b'{"id":1}'
    right = _signed(body)["Agora-Signature-V2"]
    async with aiohttp.ClientSession(service.url) as client:
        for given, status in ((["0" * 64, right], 401), ([right, "0" * 64], 200)):
            headers = [("Agora-Signature-V2", one) for one in given]
            async with client.post("/webhooks/agora", data=body, headers=headers) as answer:
                assert answer.status == status


# --- files ------------------------------------------------------------------------------------------------------


def _zip(name: str, body: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr(name, body)
    return packed.getvalue()


def test_a_zip_that_is_small_outside_and_huge_inside_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BYTES_MAX", 1_000_000)
    bomb = _zip("users.csv", b"a" * 20_000_000)
    assert len(bomb) < 50_000

    with pytest.raises(Invalid, match="must hold at most 1000000 bytes"):
        delivery.unzipped("bomb.zip", bomb)


def test_a_zip_that_lies_about_its_size_is_read_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BYTES_MAX", 1_000_000)
    honest = _zip("users.csv", b"a" * 2_000_000)
    lying = honest.replace((2_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))

    with pytest.raises(Invalid):
        delivery.unzipped("bomb.zip", lying)


def test_names_in_a_zip_lead_nowhere() -> None:
    found = delivery.unzipped("evil.zip", _zip("../../etc/users.csv", b"sourcedId\n"))

    assert set(found) == {"users.csv"}


@pytest.mark.parametrize("body", list(BOMBS.values()), ids=list(BOMBS))
def test_a_file_that_is_a_bomb_is_refused_in_words(body: bytes) -> None:
    found: object = None
    try:
        found = documents.decoded(body, "file.json")
    except Invalid as refused:
        found = refused

    assert isinstance(found, dict | Invalid)
