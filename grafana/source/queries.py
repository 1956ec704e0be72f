"""The questions that panels ask: shares, growth and risk in PromQL."""

RANGE = "$__range"
RATE = "$__rate_interval"
OF = 'provider=~"$provider"'
OF_NODE = f'{OF}, node=~"$node"'
OF_INSTANCE = 'instance=~"$instance"'
UNHEARD = "No word from qos-monitor: is it scraped? See the runbook QosDown"
"""Why a number that is 0 on a healthy day may be missing."""
YET = "No verdict has become firm in this time (it takes about six hours after a class)"


def grown(metric: str, labels: str, by: str, over: str, where: str = OF) -> str:
    """How much a counter of the database grew, summed by some labels; every process tells the same, so one counts."""
    each = f"max by ({labels}) (increase({metric}{{{where}}}[{over}]))"
    return f"sum by ({by}) ({each})" if by else f"sum({each})"


def delivered(by: str, over: str) -> str:
    """Learner-time delivered ÷ owed, all of it or by a label."""
    labels = "provider, node"
    return (
        f"{grown('qos_delivered_learner_seconds_total', labels, by, over)} / "
        f"({grown('qos_owed_learner_seconds_total', labels, by, over)} > 0)"
    )


def left(share_delivered: str) -> str:
    """Share of the error budget that is left; below 0 where more was lost than the objective allows."""
    return f"1 - (1 - {share_delivered}) / (1 - $objective)"


def budget(over: str) -> str:
    """The error budget that all together have left."""
    return left(delivered("", over))


def corrected(over: str) -> str:
    """The same share with what superseded verdicts added or took away later."""

    def sum_of(of: str) -> str:
        moved = "qos_corrected_learner_seconds_total"
        up, down = (grown(moved, "provider", "", over, f'{OF}, of="{of}", direction="{way}"') for way in ("up", "down"))
        return f"({grown(f'qos_{of}_learner_seconds_total', 'provider, node', '', over)} + {up} - {down})"

    return f"{sum_of('delivered')} / ({sum_of('owed')} > 0)"


def joined(by: str, over: str) -> str:
    """Goes at a class that were inside within 5 s, of all goes."""
    inside = grown("qos_join_duration_seconds_bucket", "provider", by, over, f'{OF}, le="5.0"')
    return f"{inside} / ({grown('qos_joins_total', 'provider, result', by, over)} > 0)"


def frozen_users(by: str, over: str) -> str:
    """User denominator: learner-classes frozen for more than the chosen share, of all learner-classes measured."""
    labels = "provider, medium"
    within = grown("qos_freeze_ratio_bucket", labels, by, over, f'{OF}, le="$freeze"')
    return f"1 - {within} / ({grown('qos_freeze_ratio_count', labels, by, over)} > 0)"


def ratio(part: str, whole: str, labels: str, by: str, over: str) -> str:
    """Growth of one counter ÷ growth of another; what never happened has no counter yet, and is 0."""
    return share(grown(part, labels, by, over), grown(whole, labels, by, over))


def share(part: str, whole: str) -> str:
    return f"({part} or {whole} * 0) / ({whole} > 0)"


def group(name: str, over: str) -> tuple[str, str]:
    """Delivered ÷ owed, and hours owed, by release or network: these have no provider."""
    got, owed = (
        grown(f"qos_{name}_{which}_learner_seconds_total", name, name, over, "") for which in ("delivered", "owed")
    )
    return f"{got} / ({owed} > 0)", f"({owed} > 0) / 3600"


def _release(outcome: str) -> str:
    where = f'release!="none"{outcome}'
    return grown("qos_release_learner_classes_total", "release, outcome", "release", RANGE, where)


ALL = _release("")
FAILED = _release(', outcome="failed"')
ENOUGH = f"({ALL} >= $minimum)"
_REST_FAILED = f"(scalar(sum({FAILED})) - {FAILED})"
_REST_ALL = f"(scalar(sum({ALL})) - {ALL} >= $minimum)"
RISK = f"({FAILED} / {ENOUGH}) / ({_REST_FAILED} / {_REST_ALL} > 0)"
SPREAD = f"sqrt(1 / ({FAILED} > 0) - 1 / {ENOUGH} + 1 / ({_REST_FAILED} > 0) - 1 / {_REST_ALL})"


def rate(metric: str, by: str, where: str = "") -> str:
    """Per second, over all processes: each counts for itself what it did."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[{RATE}]))"


def told(metric: str, by: str = "") -> str:
    """What the database says; every process tells the same, so one counts."""
    return f"max by ({by}) ({metric})" if by else f"max({metric})"


def calm(asked: str) -> str:
    """0 where nothing is owed or wrong; but nothing at all where the monitor itself is not heard."""
    return f"({asked}) or 0 * max(qos_reading_age_seconds)"
