"""Debian's Prometheus and Alertmanager on free ports in a folder of the test, asked over HTTP."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

READY_S_MAX = 60
_LOOK_S = 0.05
_CONFIG = "prometheus.yml"
_ONE_BLOCK = ("--max-block-duration=768h",)  # or the text is read once for every two hours of it

Labels = Mapping[str, str]
Series = tuple[Labels, Sequence[tuple[float, float]]]
"""The labels of a series, and its points: seconds since 1970, value."""


def program(name: str) -> str:
    """Find one of the programs; says what to install where it is missing."""
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is missing: apt-get install prometheus prometheus-alertmanager")
    return found


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs and is ready."""

    port: int
    log: Path

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def get(self, path: str, **asked: str) -> object:
        """Ask, and answer the JSON. Raises RuntimeError with the server's words where it refuses."""
        status, body = _get(self.port, f"{path}?{urlencode(asked)}")
        if status != 200:
            raise RuntimeError(f"{path} {asked} was answered {status}: {body}")
        return json.loads(body)


class Prometheus(Server):
    """Prometheus, and the questions a dashboard asks it."""

    __slots__ = ()

    def query(self, expression: str, at_s: float) -> list[Series]:
        """Evaluate at one instant; a scalar is a series without labels."""
        data = self._data("query", query=expression, time=f"{at_s:.3f}")
        if data["resultType"] in ("scalar", "string"):
            return [({}, _points([data["result"]]))]
        return [(cast("Labels", one["metric"]), _points([one["value"]])) for one in _series(data)]

    def query_range(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """Evaluate every step from start to end, both included."""
        span = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}"}
        data = self._data("query_range", query=expression, **span)
        return [(cast("Labels", one["metric"]), _points(one["values"])) for one in _series(data)]

    def label_values(self, label: str, selector: str, start_s: float, end_s: float) -> list[str]:
        """List a label's values as a dashboard's variable does."""
        span = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "match[]": selector}
        answer = cast("dict[str, list[str]]", self.get(f"/api/v1/label/{label}/values", **span))
        return answer["data"]

    def firing(self) -> list[Labels]:
        """List the labels of every alert that fires now."""
        alerts = cast("list[dict[str, object]]", self._data("alerts")["alerts"])
        return [cast("Labels", one["labels"]) for one in alerts if one["state"] == "firing"]

    def wait_for(self, expression: str) -> None:
        """Wait until this gives something. Raises RuntimeError where it does not in a minute."""
        for _ in range(round(READY_S_MAX / _LOOK_S)):
            if self.query(expression, time.time()):
                return
            time.sleep(_LOOK_S)
        raise RuntimeError(f"{expression} gave nothing: {self.log.read_text(encoding='utf-8')}")

    def reload(self, folder: Path, config: str) -> None:
        """Take another configuration. Raises RuntimeError with the server's words where it refuses."""
        (folder / _CONFIG).write_text(config, encoding="utf-8")
        status, body = _ask(self.port, "POST", "/-/reload")
        if status != 200:
            raise RuntimeError(f"the configuration was answered {status}: {body}")

    def _data(self, what: str, **asked: str) -> dict[str, object]:
        return cast("dict[str, dict[str, object]]", self.get(f"/api/v1/{what}", **asked))["data"]


@contextmanager
def prometheus(folder: Path, config: str = "", lookback: str = "5m") -> Iterator[Prometheus]:
    """Run on ``folder/tsdb``, where blocks may lie already; an empty configuration scrapes nothing."""
    port = _free_port()
    file = folder / _CONFIG
    file.write_text(config, encoding="utf-8")
    command = [
        program("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=10y",
        "--web.enable-lifecycle",
        f"--query.lookback-delta={lookback}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _running(command, port, folder / "prometheus.log"):
        yield Prometheus(port, folder / "prometheus.log")


@contextmanager
def alertmanager(folder: Path, config: str) -> Iterator[Server]:
    """Run with this configuration and no peers."""
    port = _free_port()
    file = folder / "alertmanager.yml"
    file.write_text(config, encoding="utf-8")
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _running(command, port, folder / "alertmanager.log"):
        yield Server(port, folder / "alertmanager.log")


def make_blocks(folder: Path, openmetrics: Path) -> None:
    """Turn samples with timestamps (OpenMetrics text) into the past of a Prometheus that starts later."""
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", *_ONE_BLOCK]
    command += [str(openmetrics), str(folder / "tsdb")]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"promtool refused {openmetrics}: {made.stdout}{made.stderr}")


@contextmanager
def _running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
        try:
            _wait_ready(process, port, log)
            yield
        finally:
            process.terminate()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(round(READY_S_MAX / _LOOK_S)):
        if process.poll() is not None:
            break
        try:
            if _get(port, "/-/ready")[0] == 200:
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(_LOOK_S)
    raise RuntimeError(f"{process.args!r} did not come up: {log.read_text(encoding='utf-8')}")


def _get(port: int, path: str) -> tuple[int, str]:
    return _ask(port, "GET", path)


def _ask(port: int, method: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=READY_S_MAX)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _series(data: Mapping[str, object]) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", data["result"])


def _points(pairs: object) -> list[tuple[float, float]]:
    return [(float(at), float(value)) for at, value in cast("list[tuple[float, str]]", pairs)]


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
