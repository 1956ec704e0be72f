"""What lies in grafana/ to be copied: containers, provisioning, scrape configuration and manifests hold together."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from qos_monitor.settings import TABLE

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "grafana"
COMPOSE_FILE = GRAFANA / "docker-compose.yml"
DASHBOARDS = {"qos-live", "qos-outages", "qos-stability", "qos-monitor"}


def read(name: str) -> dict[str, Any]:
    """Read one YAML file of grafana/."""
    found: dict[str, Any] = yaml.safe_load((GRAFANA / name).read_text(encoding="utf-8"))
    return found


COMPOSE = read("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def listed(service: str, key: str) -> list[str]:
    """Take a list of one service of the compose file; empty where there is none."""
    found: list[str] = SERVICES[service].get(key, [])
    return found


def environ(service: str) -> dict[str, str]:
    """Take the environment of one service."""
    found: dict[str, str] = SERVICES[service].get("environment", {})
    return found


@pytest.mark.parametrize(
    "path",
    sorted(path for path in GRAFANA.rglob("*.y*ml") if "secrets" not in path.parts),
    ids=lambda path: str(path.relative_to(GRAFANA)),
)
def test_every_yaml_file_is_yaml_and_names_no_host_of_an_image_registry(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert all(document for document in yaml.safe_load_all(text))
    images = re.findall(r"^\s*image: (\S+)", text, re.MULTILINE)
    assert [image for image in images if "." in image.partition("/")[0] and "/" in image] == []


def test_the_compose_file_is_as_the_compose_specification_has_it() -> None:
    read_as_specified = PyCompose.from_yaml(COMPOSE_FILE.read_text(encoding="utf-8"))
    read_as_specified.validate()
    assert set(read_as_specified.service_names()) == {"qos-monitor", "prometheus", "alertmanager", "grafana"}


def test_a_key_the_specification_does_not_know_would_be_found() -> None:
    with pytest.raises(ValueError, match="restarts"):
        PyCompose.from_yaml(COMPOSE_FILE.read_text(encoding="utf-8").replace("restart:", "restarts:"))


def test_every_image_is_pinned_to_a_version() -> None:
    images = {name: str(service["image"]) for name, service in SERVICES.items()}
    assert {name: image for name, image in images.items() if not re.search(r":v?\d+\.\d+\.\d+$", image)} == {}


def test_the_image_has_the_version_of_the_program() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert SERVICES["qos-monitor"]["image"] == f"qos-monitor:{version[1]}"
    assert f"qos-monitor:{version[1]}" in (GRAFANA / "Dockerfile").read_text("utf-8")


def test_the_containers_are_told_settings_that_there_are() -> None:
    names = {setting.name for setting in TABLE}
    told = [name.removesuffix("_FILE") for name in environ("qos-monitor")]
    assert [name for name in told if name not in names] == []
    secret = {setting.name for setting in TABLE if setting.is_secret}
    assert [name for name in environ("qos-monitor") if name in secret] == []


def test_every_secret_is_a_file_that_the_container_is_given() -> None:
    for service in SERVICES:
        files = {value for name, value in environ(service).items() if name.endswith("_FILE")}
        assert files == {f"/run/secrets/{name}" for name in listed(service, "secrets")}, service
    used = {name for service in SERVICES for name in listed(service, "secrets")}
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in used}


def test_every_file_that_is_mounted_exists_and_every_volume_is_declared() -> None:
    mounts = [mount.split(":") for service in SERVICES for mount in listed(service, "volumes")]
    files = [source for source, *_ in mounts if source.startswith(".")]
    assert [source for source in files if not (GRAFANA / source).exists()] == []
    assert {source for source, *_ in mounts if not source.startswith(".")} == set(COMPOSE["volumes"])
    assert [mount for mount in mounts if mount[0].startswith(".") and mount[2:] != ["ro"]] == []


def test_nothing_but_a_proxy_on_the_machine_reaches_a_container() -> None:
    assert [
        port for service in SERVICES for port in listed(service, "ports") if not port.startswith("127.0.0.1:")
    ] == []


def test_who_waits_for_a_healthy_container_waits_for_one_that_is_asked() -> None:
    has_check = {name for name, service in SERVICES.items() if "healthcheck" in service}
    if "HEALTHCHECK" in (GRAFANA / "Dockerfile").read_text(encoding="utf-8"):
        has_check.add("qos-monitor")
    waited_for = {other for service in SERVICES.values() for other in service.get("depends_on", {})}
    assert waited_for
    assert waited_for <= has_check


def test_the_image_is_as_hadolint_wants_it() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    told = subprocess.run([hadolint, GRAFANA / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_keeps_its_database_in_a_volume() -> None:
    last_stage = (GRAFANA / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", last_stage, re.MULTILINE)
    assert re.search(r"^VOLUME /var/lib/qos-monitor$", last_stage, re.MULTILINE)
    assert "QOS_DATABASE_URL=sqlite+aiosqlite:////var/lib/qos-monitor/" in last_stage
    assert "database:/var/lib/qos-monitor" in listed("qos-monitor", "volumes")


def copied_into_the_image() -> list[str]:
    """Tell what of the repository the Dockerfile copies."""
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", (GRAFANA / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    return [source for line in lines for source in line.split()]


def test_what_is_copied_into_the_image_exists_and_is_let_through_and_secrets_are_not() -> None:
    rules = (GRAFANA / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [source for source in copied_into_the_image() if not (ROOT / source).exists()] == []
    assert [source for source in copied_into_the_image() if f"!{source}" not in rules] == []
    assert rules.index("grafana/secrets") > rules.index("!grafana")
    assert rules.index("grafana/.env") > rules.index("!grafana")


def test_the_wheel_built_from_what_is_copied_into_the_image_carries_what_the_page_copies(tmp_path: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    wanted = [name for name in tracked.stdout.split("\0") if name.startswith(tuple(copied_into_the_image()))]
    for name in wanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
    told = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    shared = {name.partition("/share/qos-monitor/")[2] for name in names if "/share/qos-monitor/" in name}
    shipped = {"README.md", "prometheus.yml", "docker-compose.yml", "kustomization.yaml"}
    shipped |= {f"dashboards/{uid}.json" for uid in DASHBOARDS}
    shipped |= {"provisioning/dashboards/qos-monitor.yml", "kubernetes/prometheus-rule.yaml", "compose/datasource.yml"}
    assert {f"grafana/{name}" for name in shipped} <= shared
    assert {f"rules/prometheus/{name}.yml" for name in ("recording", "alerts", "alertmanager.example")} <= shared


def test_prometheus_scrapes_the_database_once_and_every_process_among_the_containers() -> None:
    jobs = {str(job["job_name"]): job for job in read("prometheus.yml")["scrape_configs"]}
    assert {name: job["params"] for name, job in jobs.items()} == {
        "qos-monitor": {"from": ["process"]},
        "qos-monitor-database": {"from": ["database"]},
    }
    assert all(job["static_configs"] == [{"targets": ["qos-monitor:8080"]}] for job in jobs.values())
    assert read("prometheus.yml")["alerting"] == {
        "alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]
    }


def test_grafana_asks_the_prometheus_beside_it_in_containers_too() -> None:
    (alone,), (among,) = (
        read(name)["datasources"] for name in ("provisioning/datasources/qos-monitor.yml", "compose/datasource.yml")
    )
    assert alone | {"url": "http://prometheus:9090"} == among
    assert alone["url"] == "http://localhost:9090"


def test_the_alert_that_nothing_is_scraped_knows_every_job_of_ours_and_no_other() -> None:
    alerts = yaml.safe_load((ROOT / "rules" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    (asked,) = (rule["expr"] for group in alerts["groups"] for rule in group["rules"] if rule.get("alert") == "QosDown")
    known = set(re.findall(r'job=~"([^"]+)"', asked))
    assert len(known) == 1
    of_kubernetes = yaml.safe_load_all((GRAFANA / "kubernetes" / "service-monitor.yaml").read_text(encoding="utf-8"))
    jobs = set(re.findall(r"replacement': '([^']+)'", str(list(of_kubernetes))))
    jobs |= {str(job["job_name"]) for job in read("prometheus.yml")["scrape_configs"]}
    assert jobs == {"qos-monitor", "qos-monitor-database"}
    assert all(re.fullmatch(pattern, job) for pattern in known for job in jobs)
    assert not any(re.fullmatch(pattern, "qos-simulation") for pattern in known)


def test_the_data_source_is_told_how_often_is_scraped() -> None:
    (source,) = read("compose/datasource.yml")["datasources"]
    assert source["jsonData"]["timeInterval"] == read("prometheus.yml")["global"]["scrape_interval"]


def test_dashboards_are_provisioned_from_where_they_are_mounted() -> None:
    (provider,) = read("provisioning/dashboards/qos-monitor.yml")["providers"]
    path = provider["options"]["path"]
    assert f"./dashboards:{path}:ro" in listed("grafana", "volumes")


def test_kustomize_brings_every_dashboard_to_the_sidecar_and_names_no_file_that_is_not() -> None:
    made = read("kustomization.yaml")
    assert made["generatorOptions"] == {
        "disableNameSuffixHash": True,
        "labels": {"grafana_dashboard": "1"},
        "annotations": {"grafana_folder": "qos-monitor"},
    }
    maps = {entry["name"]: entry["files"] for entry in made["configMapGenerator"]}
    assert maps == {f"dashboard-{uid}": [f"dashboards/{uid}.json"] for uid in DASHBOARDS}
    named = [*made["resources"], *(file for files in maps.values() for file in files)]
    assert [file for file in named if not (GRAFANA / file).is_file()] == []


def test_every_dashboard_has_its_file_and_uid_and_fits_into_a_config_map() -> None:
    files = {path.stem: path for path in (GRAFANA / "dashboards").glob("*.json")}
    assert set(files) == DASHBOARDS
    assert {name: json.loads(path.read_bytes())["uid"] for name, path in files.items()} == {
        name: name for name in files
    }
    assert max(path.stat().st_size for path in files.values()) < 1_000_000


def test_the_helm_values_look_for_the_label_that_the_dashboards_have() -> None:
    sidecar = read("kubernetes/values.yaml")["grafana"]["sidecar"]["dashboards"]
    label, annotation = sidecar["label"], sidecar["folderAnnotation"]
    options = read("kustomization.yaml")["generatorOptions"]
    assert options["labels"] == {label: sidecar["labelValue"]}
    assert set(options["annotations"]) == {annotation}


def test_the_operator_scrapes_as_prometheus_yml_does() -> None:
    text = (GRAFANA / "kubernetes" / "service-monitor.yaml").read_text(encoding="utf-8")
    monitor, once = yaml.safe_load_all(text)
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "ServiceMonitor")
    assert (once["apiVersion"], once["kind"]) == ("monitoring.coreos.com/v1alpha1", "ScrapeConfig")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["params"] == {"from": ["process"]}
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "qos-monitor"}]
    assert once["spec"]["params"] == {"from": ["database"]}
    assert once["spec"]["relabelings"] == [{"targetLabel": "job", "replacement": "qos-monitor-database"}]


def test_the_manifest_of_rules_is_what_its_script_writes(tmp_path: Path) -> None:
    for folder in ("rules/prometheus", "grafana/kubernetes"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    written = tmp_path / "grafana" / "kubernetes" / "prometheus-rule.yaml"
    written.unlink()
    subprocess.run([sys.executable, written.with_name("prometheus_rule.py")], check=True)
    assert written.read_bytes() == (GRAFANA / "kubernetes" / "prometheus-rule.yaml").read_bytes()


def test_the_manifest_of_rules_holds_every_group_of_the_rule_files() -> None:
    manifest = read("kubernetes/prometheus-rule.yaml")
    files = [ROOT / "rules" / "prometheus" / name for name in ("recording.yml", "alerts.yml")]
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    assert (manifest["apiVersion"], manifest["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert manifest["spec"] == {"groups": groups}
