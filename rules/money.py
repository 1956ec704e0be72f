"""What a refund is: exact fractions inside, one rounding at the end, up, for the learner's good (SPEC 8)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from rules.record import ClassRecord
from rules.world import Enrolment, plain_number

_EXPONENTS: dict[str, int] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Currencies whose minor unit is not a hundredth (ISO 4217, read 2026-11); only for showing an amount."""


def written(minor: int, currency: str) -> str:
    """Write an amount for people: ``CNY 2800.00``, ``JPY 42359``."""
    exponent = _EXPONENTS.get(currency, 2)
    whole, rest = divmod(minor, 10**exponent)
    return f"{currency} {whole}.{rest:0{exponent}d}" if exponent else f"{currency} {whole}"


def units(minor: int, currency: str) -> float:
    """Give an amount in units of its currency, for a scale or a graph: 12.5 for CNY 12.50."""
    return minor / float(10 ** _EXPONENTS.get(currency, 2))


@dataclass(frozen=True, slots=True)
class Money:
    """A whole number of minor units of one currency (ISO 4217), never negative."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.minor < 0:
            raise ValueError(f"money is never negative here, not {self.minor} {self.currency}")


@dataclass(frozen=True, slots=True)
class Refund:
    """The amount with every term it was made of, so that a person can redo it."""

    money: Money
    enrolment: Enrolment
    lessons_used: Fraction
    weighed: tuple[tuple[str, int], ...]
    """How many classes had each verdict that counts, in words, with what one weighs."""

    def terms(self) -> dict[str, object]:
        """Write every term of the formula as JSON values."""
        row = self.enrolment
        lessons = row.lessons_paid + row.lessons_gift
        used = plain_number(self.lessons_used)
        left = max(row.paid_minor - row.price_refunded_minor, 0)
        return {
            "price_minor": row.price_minor,
            "paid_minor": row.paid_minor,
            "price_refunded_minor": row.price_refunded_minor,
            "contract_refund_minor": row.contract_refund_minor,
            "lessons_paid": row.lessons_paid,
            "lessons_gift": row.lessons_gift,
            "lessons": lessons,
            "lessons_used_before": plain_number(row.lessons_used_before),
            "lessons_used": used,
            "classes": dict(self.weighed),
            "left_minor": left,
            "formula": (
                f"ceil({row.paid_minor} - {row.price_minor} * {used} / {lessons} - {row.price_refunded_minor}), "
                f"at least {row.contract_refund_minor or 0}, from 0 to {left}"
            ),
        }


def refund(enrolment: Enrolment, records: Iterable[ClassRecord]) -> Refund:
    """Compute what is owed for an enrolment whose classes came out like this.

    ``records`` are of the classes of this enrolment that have a verdict. 0 ≤ result ≤ paid − refunded before.
    """
    mine = list(records)
    lessons = enrolment.lessons_paid + enrolment.lessons_gift
    used = enrolment.lessons_used_before + sum((record.weight for record in mine), Fraction(0))
    left = max(enrolment.paid_minor - enrolment.price_refunded_minor, 0)
    exact = enrolment.paid_minor - enrolment.price_minor * used / lessons - enrolment.price_refunded_minor
    wanted = max(math.ceil(exact), enrolment.contract_refund_minor or 0)
    weighed: dict[str, int] = {}
    for record in mine:
        words = record.verdict.value + (f" by {record.by}" if record.verdict.value == "DEGRADED" else "")
        name = f"{words} × {plain_number(record.weight)}"
        weighed[name] = weighed.get(name, 0) + 1
    money = Money(min(max(wanted, 0), left), enrolment.currency)
    return Refund(money, enrolment, used, tuple(sorted(weighed.items())))
