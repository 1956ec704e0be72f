"""The monitoring as it is delivered, at another pace: every duration of its configuration divided by one number."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULES = ROOT / "rules" / "prometheus"
FACTOR = 60
"""A minute of the play lasts a second."""
_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = r"(\d+)([smhd])"
_KEYS = "for|interval|scrape_interval|evaluation_interval|group_wait|group_interval|repeat_interval"
_SCALED = re.compile(rf"(?<=\[){_DURATION}(?=\])|(?:(?<=\s)|^)(?P<key>{_KEYS}): {_DURATION}(?=\s|$)", re.MULTILINE)


def scaled(text: str) -> str:
    """Divide the windows of expressions, every `for`, and every interval; thresholds stay as they are."""
    return _SCALED.sub(_divided, text)


def _divided(found: re.Match[str]) -> str:
    number, unit = (found[1], found[2]) if found[1] else (found[4], found[5])
    ms = int(number) * _MS[unit] // FACTOR
    return f"{found['key']}: {ms}ms" if found["key"] else f"{ms}ms"


def rule_files(folder: Path) -> list[Path]:
    """Write the rules, scaled."""
    files = []
    for name in ("recording.yml", "alerts.yml"):
        file = folder / name
        file.write_text(scaled((RULES / name).read_text(encoding="utf-8")), encoding="utf-8")
        files.append(file)
    return files


def prometheus_yml(service: str, alertmanager: str, *, has_rules: bool) -> str:
    """Word the delivered prometheus.yml for these addresses; the rules lie in the folder of the configuration."""
    text = scaled((ROOT / "grafana" / "prometheus.yml").read_text(encoding="utf-8"))
    interval = re.search(r"scrape_interval: (\S+)", text)
    assert interval is not None
    text = re.sub(r"scrape_timeout: \S+", f"scrape_timeout: {interval[1]}", text)  # it may not be longer
    text = text.replace("qos-monitor:8080", service).replace("alertmanager:9093", alertmanager)
    return text.replace("- rules/", "- ") if has_rules else re.sub(r"rule_files:\n(  - .*\n)+", "", text)


def alertmanager_yml(sink: str) -> str:
    """Word the example of Alertmanager's configuration, with everybody who is told behind one address."""
    text = scaled((RULES / "alertmanager.example.yml").read_text(encoding="utf-8"))
    return re.sub(r"https://(pager|tickets)\.school\.example/hook", rf"{sink}/\1", text)
