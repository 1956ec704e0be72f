"""Writes prometheus-rule.yaml, the rules of rules/prometheus as the Prometheus Operator takes them.

Run from anywhere: ``python grafana/kubernetes/prometheus_rule.py``.
"""

from pathlib import Path

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "rules" / "prometheus"
MANIFEST = HERE / "prometheus-rule.yaml"
_FILES = ("recording.yml", "alerts.yml")
_HEAD = """\
# Written by prometheus_rule.py from rules/prometheus; change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: qos-monitor
  labels:
    app.kubernetes.io/name: qos-monitor
spec:
  groups:
"""


def text() -> str:
    """Write the manifest: the groups of every file as they stand there, two columns to the right.

    Raises ValueError where a file holds something else than groups.
    """
    return _HEAD + "".join(f"  {line}\n" if line else "\n" for name in _FILES for line in _groups(RULES / name))


def _groups(file: Path) -> list[str]:
    """Take the lines below ``groups:``, without the comments before it."""
    head, mark, body = file.read_text(encoding="utf-8").partition("groups:\n")
    lines = body.rstrip().splitlines()
    is_clean = all(line.startswith("#") or not line.strip() for line in head.splitlines())
    if not mark or not is_clean or any(line and not line.startswith((" ", "-", "#")) for line in lines):
        raise ValueError(f"{file}: groups, and nothing else, is wanted at the top")
    return lines


if __name__ == "__main__":
    MANIFEST.write_text(text(), encoding="utf-8")
