"""What Alertmanager makes of alerts that fire together: which are one page, and which is held back."""

import subprocess
import time
from pathlib import Path
from typing import Any, cast

import prometheus_lab as lab

RULES = Path(__file__).parents[2] / "rules" / "prometheus"
FIRING = (
    "QosScheduledButNoData severity=page provider=agora",
    "QosNodeBurnFast severity=page provider=agora node=bj-7",
    "QosLearnerMinutesBurnFast severity=page provider=zoom",
    "QosIntakeRefusing severity=page provider=agora",
    "QosIntakeRefusing severity=page provider=zoom",
    "QosClaimsOverdue severity=page kind=refund",
    "QosClaimsDueSoon severity=ticket kind=refund",
    "QosDown severity=page instance=a:8080",
    "QosDown severity=page instance=b:8080",
    "QosJudgingBehind severity=ticket",
)


def test_each_cause_is_a_page_of_its_own_and_a_process_that_is_down_holds_back_no_page(tmp_path: Path) -> None:
    config = (RULES / "alertmanager.example.yml").read_text("utf-8").replace("school.example", "school.invalid")
    with lab.alertmanager(tmp_path, config) as server:
        for alert in FIRING:
            add = ["amtool", f"--alertmanager.url=http://{server.address}", "alert", "add", *alert.split()]
            subprocess.run(add, check=True, capture_output=True)

        pages = groups(server, "pages", many=7)

    assert pages == {
        ("provider=agora", ("QosScheduledButNoData",)),
        ("provider=zoom", ("QosLearnerMinutesBurnFast",)),
        ("alertname=QosIntakeRefusing", ("QosIntakeRefusing", "QosIntakeRefusing")),
        ("alertname=QosClaimsOverdue", ("QosClaimsOverdue",)),
        ("alertname=QosDown", ("QosDown", "QosDown")),
    }


def groups(server: lab.Server, receiver: str, many: int) -> set[tuple[str, tuple[str, ...]]]:
    """List a receiver's groups, by their labels, each with what is not held back; waits for so many alerts."""
    for _ in range(200):
        found = cast("list[dict[str, Any]]", server.get("/api/v2/alerts/groups", receiver=receiver))
        active = {
            (
                " ".join(f"{name}={value}" for name, value in one["labels"].items()),
                tuple(a["labels"]["alertname"] for a in one["alerts"] if a["status"]["state"] == "active"),
            )
            for one in found
        }
        if sum(len(names) for _, names in active) == many:
            break
        time.sleep(0.05)
    return active
