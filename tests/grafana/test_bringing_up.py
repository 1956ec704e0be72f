"""The commands of grafana/README.md, run as they stand there on a copy, and what comes up by them."""

import asyncio
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from running import Running, running

from qos_monitor import settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "grafana" / "README.md").read_text(encoding="utf-8")
COMPOSE = (ROOT / "grafana" / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "grafana" / "Dockerfile").read_text(encoding="utf-8")
_NOT_HERE = ("docker compose", "kubectl", "helm", "systemctl", "localhost:3000")
_START_S_MAX = 60.0

# What a bare machine may lack, as far as the page uses it.
_STAND_INS = {
    "sudo": '#!/bin/sh\nexec "$@"\n',
    "curl": f"#!{sys.executable}\nimport sys, urllib.request\n"
    "sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[-1], timeout=20).read())\n",
    "openssl": f"#!{sys.executable}\nimport base64, secrets, sys\n"
    "drawn = secrets.token_bytes(int(sys.argv[3]))\n"
    "print(drawn.hex() if sys.argv[2] == '-hex' else base64.b64encode(drawn).decode())\n",
}


def _blocks(language: str = "sh") -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    return [dedent(text) for _, text in found]


def _block(holding: str, language: str = "sh") -> str:
    (found,) = [block for block in _blocks(language) if holding in block]
    return found


@dataclass(frozen=True)
class Machine:
    """A folder in place of the machine: its /etc and /var/lib, and a home with the copy."""

    folder: Path

    @property
    def copy(self) -> Path:
        """Where the page has its commands run."""
        return self.folder / "home" / "qos-monitoring"

    def run(self, script: str, cwd: Path | None = None, ports: Mapping[int, int] | None = None) -> str:
        """Run what the page shows; answer what it says. Other ports may stand in for those of the page."""
        here = re.sub(r"(?<=\s)/(etc|var/lib)/", rf"{self.folder}/\1/", script)
        for shown, taken in (ports or {}).items():
            here = here.replace(f"localhost:{shown}", f"localhost:{taken}")
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        told = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", here],
            cwd=cwd or self.copy,
            env={"PATH": path, "HOME": str(self.folder / "home"), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, f"{script}\n{told.stdout}{told.stderr}"
        return told.stdout + told.stderr


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Follow the page: take a copy, put hosts in, install, provision."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    (made.folder / "bin").mkdir()
    for name, text in _STAND_INS.items():
        (made.folder / "bin" / name).write_text(text, encoding="utf-8")
        (made.folder / "bin" / name).chmod(0o755)
    (made.folder / "home").mkdir()
    made.run(_block("cp -r --parents"), cwd=ROOT)
    made.run(_block(r"grafana\.school\.example"))
    made.run(_block("/etc/prometheus/rules/"))
    made.run(_block("/etc/grafana/provisioning/datasources/").replace("sudo systemctl restart grafana-server", ""))
    return made


def test_every_command_of_the_page_is_run_here_or_needs_what_is_not_here() -> None:
    tried = (
        "cp -r --parents",
        r"grafana\.school\.example",
        "/etc/prometheus/rules/",
        "amtool check-config",
        "from=process",
        "alert add",
        "/etc/grafana/provisioning/datasources/",
        "openssl",
        "cat > .env",
    )
    others = [block for block in _blocks() if not any(mark in block for mark in tried)]
    assert [block for block in others if not any(mark in block for mark in _NOT_HERE)] == []


def test_every_path_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"(?:grafana|rules/prometheus)/[\w./*-]*[\w*/]", re.sub(r"/etc/\S+|/var/\S+", "", README)))
    named -= {"grafana/secrets", "grafana/.env"}
    assert len(named) > 12
    assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []


def test_one_sed_for_each_host_leaves_no_placeholder(machine: Machine) -> None:
    files = [path for path in machine.copy.rglob("*") if path.is_file() and path.suffix in {".yml", ".yaml", ".json"}]
    hosts = re.compile(rb"(grafana|qos)\.school\.example")
    assert [path.name for path in files if hosts.search(path.read_bytes())] == []
    replaced = b"".join(path.read_bytes() for path in files)
    assert b"https://grafana.my-school.cn/d/" in replaced
    assert b"https://qos.my-school.cn/runbooks/" in replaced


def test_promtool_and_amtool_are_content_with_what_was_installed(machine: Machine) -> None:
    told = machine.run(_block("amtool check-config"))
    assert "SUCCESS: 2 rule files found" in told
    assert told.count("FAILED") == 0


def test_on_one_machine_everything_is_on_its_loopback(machine: Machine) -> None:
    config = yaml.safe_load((machine.folder / "etc/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = [(job["job_name"], job["static_configs"][0]["targets"]) for job in config["scrape_configs"]]
    assert targets == [("qos-monitor", ["localhost:8080"]), ("qos-monitor-database", ["localhost:8080"])]


def test_the_demos_target_is_scraped_once_its_marks_are_taken_away(machine: Machine, tmp_path: Path) -> None:
    installed = machine.folder / "etc" / "prometheus"
    shutil.copytree(installed, tmp_path / "prometheus")
    (command,) = re.findall(r"sed -i 's/.*' prometheus\.yml", (installed / "prometheus.yml").read_text("utf-8"))
    machine.run(f"{command}\npromtool check config prometheus.yml", cwd=tmp_path / "prometheus")
    config = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert [job["job_name"] for job in config["scrape_configs"]][2:] == ["qos-simulation"]


def test_the_jobs_for_several_processes_ask_each_for_its_counts_and_one_for_the_database(
    machine: Machine, tmp_path: Path
) -> None:
    shown = _block("qos-1:8080", "yaml")
    (tmp_path / "prometheus.yml").write_text(f"scrape_configs:\n{shown}", encoding="utf-8")
    machine.run("promtool check config prometheus.yml", cwd=tmp_path)
    each, once = yaml.safe_load(shown)
    assert (each["job_name"], each["params"]) == ("qos-monitor", {"from": ["process"]})
    assert (once["job_name"], once["params"]) == ("qos-monitor-database", {"from": ["database"]})
    assert len(once["static_configs"][0]["targets"]) == 1


def test_provisioning_leaves_every_dashboard_where_grafana_is_told_to_look(machine: Machine) -> None:
    provisioning = machine.folder / "etc" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "qos-monitor.yml").read_text("utf-8"))["providers"]
    found = sorted((machine.folder / provider["options"]["path"].lstrip("/")).glob("*.json"))
    ours = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
    assert [path.name for path in found] == [path.name for path in ours]
    assert (provisioning / "datasources" / "qos-monitor.yml").is_file()


@pytest.fixture(scope="module")
def composed(machine: Machine) -> Mapping[str, str]:
    """Follow the page for containers; answer what qos-monitor would be told, its secrets where they lie here."""
    machine.run(_block("openssl"))
    folder = machine.copy / "grafana"
    machine.run(_block("cat > .env"), cwd=folder)
    lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines)
    environ: dict[str, str] = yaml.safe_load(COMPOSE)["services"]["qos-monitor"]["environment"]
    told = {
        name: re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(*found.groups()), value)
        for name, value in environ.items()
    }
    return {name: value.replace("/run/secrets", str(folder / "secrets")) for name, value in told.items()}


def test_the_container_starts_with_what_the_page_has_put_into_files(composed: Mapping[str, str]) -> None:
    told = settings.load(composed)
    assert told.public_url == "https://qos.my-school.cn"
    assert told.claims_url == "https://refunds.my-school.cn/claims"
    assert len(told.claims_secrets) == 1
    assert told.cases_token is not None
    assert (told.agora_secrets, told.livekit_keys) == ((), {})


def test_what_env_can_say_is_what_the_compose_file_asks_for(composed: Mapping[str, str]) -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert asked == set(re.findall(r"\$\{(\w+):-", COMPOSE))  # none is needed
    assert set(re.findall(r"^([A-Z_]+)=", _block("cat > .env"), re.MULTILINE)) <= asked


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def _until_it_works(*command: str) -> str:
    async with asyncio.timeout(_START_S_MAX):
        while True:
            asked = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            told, _ = await asked.communicate()
            if asked.returncode == 0:
                return told.decode()
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _started(*command: str | Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_the_image_is_healthy_while_the_service_answers_and_not_after(tmp_path: Path) -> None:
    (asked,) = re.findall(r'^  CMD \["python", "-c", "(.*)"\]$', DOCKERFILE, re.MULTILINE)
    async with running(tmp_path, {}) as service:
        command = asked.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}")
        await _until_it_works(sys.executable, "-c", command)
        await service.kill()
        asked_again = await asyncio.create_subprocess_exec(
            sys.executable, "-c", command, stderr=asyncio.subprocess.DEVNULL
        )
        assert await asked_again.wait() == 1


def _on_ports(machine: Machine, tmp_path: Path, service: Running, alertmanager: int) -> Path:
    """Copy what was installed, with the ports of this test, and scraped each second."""
    shutil.copytree(machine.folder / "etc" / "prometheus", tmp_path / "prometheus")
    config = tmp_path / "prometheus" / "prometheus.yml"
    text = config.read_text(encoding="utf-8").replace("localhost:8080", f"localhost:{service.port}")
    text = text.replace("localhost:9093", f"localhost:{alertmanager}")
    config.write_text(re.sub(r"^(  scrape_(?:interval|timeout)): \d+s$", r"\1: 1s", text, flags=re.MULTILINE))
    return config


def _alerts() -> set[str]:
    rules = yaml.safe_load((ROOT / "rules" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    return {rule["alert"] for group in rules["groups"] for rule in group["rules"]}


async def test_what_the_page_installs_comes_up_and_shows_itself_as_the_page_says(
    machine: Machine, tmp_path: Path
) -> None:
    ports = {9090: _free_port(), 9093: _free_port()}
    listen = {port: f"--web.listen-address=127.0.0.1:{taken}" for port, taken in ports.items()}
    async with running(tmp_path, {}) as service:
        config = _on_ports(machine, tmp_path, service, ports[9093])
        prometheus = ("prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb", listen[9090])
        receiver = f"--config.file={config.with_name('alertmanager.yml')}"
        alertmanager = ("prometheus-alertmanager", receiver, f"--storage.path={tmp_path}/am", listen[9093])
        async with _started(*prometheus), _started(*alertmanager, "--cluster.listen-address="):
            (asked,) = re.findall(r"test: \[CMD, (amtool.*)\]", COMPOSE)
            await _until_it_works(*shlex.split(asked.replace(",", "").replace("9093", str(ports[9093]))))
            up = f"http://localhost:{ports[9090]}/api/v1/query?query=count(up==1)==2"
            await _until_it_works("bash", "-c", f"{machine.folder}/bin/curl '{up}' | grep value")
            told = machine.run(_block("from=process"), ports={**ports, 8080: service.port})
            trial = machine.run(
                f"{_block('alert add')}\namtool --alertmanager.url=http://localhost:9093 alert query QosTrial",
                ports=ports,
            )
    assert "A trial, nobody is hurt" in trial
    assert {'"job":"qos-monitor"', '"job":"qos-monitor-database"'} <= set(told.split())
    assert set(re.findall(r'"name":"(Qos\w+)"', told)) == _alerts()
    assert "qos_build_info" in told
    assert "qos_reading_age_seconds" in told
