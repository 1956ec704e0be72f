"""Every metric of ours."""

from qos_monitor.metrics import counted, standing, tallied
from qos_monitor.metrics.metric import Metric

METRICS: tuple[Metric, ...] = (*counted.METRICS, *tallied.METRICS, *standing.METRICS)
"""Every metric the service serves."""
EVERY_METRIC: tuple[Metric, ...] = (*METRICS, *standing.OF_THE_SIMULATION)
"""With those the demo tells of its own play."""
