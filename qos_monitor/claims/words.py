"""Plain words for a claim, Chinese and English, made from its numbers."""

from dataclasses import dataclass

from qos_monitor.claims.lifecycle import ClaimKind
from rules.remedy import COMPENSATION, REVIEW


@dataclass(frozen=True, slots=True)
class Said:
    """What the words are about. ``span`` is local time, ``why`` the judgement's sentence or a person's words."""

    kind: ClaimKind
    remedy: str
    tier: str | None
    money: str | None
    claimed_before: str | None
    span: tuple[str, str] | None
    span_s: int
    why: str


_TIERS_EN = {
    "T1": "half a lesson is credited",
    "T2": "the lesson is given back, with a make-up class and 7 more days of validity",
    "T3": "the lessons are given back, each with a make-up class and 7 more days of validity, and one bonus lesson",
}
_TIERS_ZH = {
    "T1": "补偿半节课时",
    "T2": "退还该节课时,安排补课,有效期延长7天",
    "T3": "退还各节课时,逐节安排补课,有效期各延长7天,另赠一节课",
}


def en(said: Said) -> str:
    """Say in English why this is claimed, in a sentence or two."""
    if said.kind is ClaimKind.WITHDRAWAL:
        return f"The claims of this case are withdrawn: {said.why}"
    parts = []
    if said.span is not None:
        parts.append(
            f"From {said.span[0]} to {said.span[1]}, {_hours(said.span_s)} in a row, technical trouble on the "
            "platform's side kept the learner from attending normally."
        )
    if said.remedy == REVIEW:
        parts.append(f"A person must decide; a refund would be {said.money}.")
    elif said.remedy == COMPENSATION:
        parts.append(f"Compensation {said.tier}: {_TIERS_EN.get(said.tier or '', '')}.")
        if said.kind is ClaimKind.SUPPLEMENT:
            parts.append("Earlier claims of the case gave a part of it; only the rest is asked for here.")
    elif said.claimed_before is not None:
        parts.append(f"{said.claimed_before} was claimed before; {said.money} more is owed.")
    else:
        parts.append(f"In proportion to the lessons left, {said.money} is owed.")
    return " ".join([*parts, said.why]).strip()


def zh(said: Said) -> str:
    """Say the same in Chinese; the judgement's own sentence is left to the English one."""
    if said.kind is ClaimKind.WITHDRAWAL:
        return f"本案的申请撤回:{said.why}"
    parts = []
    if said.span is not None:
        parts.append(f"因平台方技术故障,学员自{said.span[0]}至{said.span[1]}连续{_hours_zh(said.span_s)}无法正常上课。")
    if said.remedy == REVIEW:
        parts.append(f"需人工复核;如成立,应退款{said.money}。")
    elif said.remedy == COMPENSATION:
        parts.append(f"课程因平台方原因受影响,按{said.tier}级补偿:{_TIERS_ZH.get(said.tier or '', '')}。")
        if said.kind is ClaimKind.SUPPLEMENT:
            parts.append("其中一部分此前已申请,本次只补其余。")
    elif said.claimed_before is not None:
        parts.append(f"此前已申请{said.claimed_before},现补差额{said.money}。")
    else:
        parts.append(f"按剩余课时比例,应退款{said.money}。")
    return "".join(parts)


def _hours(span_s: int) -> str:
    return f"{span_s // 3600} h {span_s % 3600 // 60} min"


def _hours_zh(span_s: int) -> str:
    return f"{span_s // 3600}小时{span_s % 3600 // 60}分钟"
