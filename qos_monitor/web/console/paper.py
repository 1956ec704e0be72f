"""Writes the pages: templates, and how an instant, an amount and a share are written for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rules.money import written
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant

STRIP_DAYS = 14
STRIP_WIDTH = 980


class Paper:
    """Every page, in the zone that deadlines are reckoned in."""

    def __init__(self, zone: str) -> None:
        """Load the templates. ``zone`` is an IANA name."""
        self._zone = ZoneInfo(zone)
        self._templates = Environment(
            loader=PackageLoader("qos_monitor.web.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "at": self.at,
            "money": money,
            "percent": percent,
            "words": words,
            "tone": tone,
            "term": term,
        }
        self._templates.globals |= {"link": self.link, "age": age, "strip": self.strip, "zone": zone}

    def write(self, name: str, now: Instant, given: Mapping[str, object]) -> str:
        """Write a page."""
        return self._templates.get_template(name).render(given, now=now)

    def at(self, when: Instant | str | None) -> str:
        """Write an instant, to the minute, in our zone; a dash for none."""
        if when is None:
            return "–"
        instant = parse_instant(when) if isinstance(when, str) else when
        return datetime.fromtimestamp(instant / SECOND, UTC).astimezone(self._zone).strftime("%Y-%m-%d %H:%M")

    @staticmethod
    def link(kind: str, name: str) -> str:
        """Write the path of a page about one thing, whatever signs are in its name."""
        return f"/console/{kind}/{quote(name, safe='')}"

    @staticmethod
    def sign_in(path: str) -> str:
        """Write the path of the way in, from where somebody wanted to go."""
        return f"/console/sign-in?to={quote(path, safe='')}"

    def strip(self, classes: Sequence[Mapping[str, object]], outages: Sequence[Mapping[str, object]]) -> Markup:
        """Draw the last fourteen days of a learner: a block for each class, a bar for each outage."""
        ends = [parse_instant(str(row["ends_at"])) for row in (*classes, *outages)]
        if not ends:
            return Markup("")
        start, end = self._last_days(max(ends))
        shapes = [_day(start, start + day * DAY, self.at(start + day * DAY)) for day in range(STRIP_DAYS)]
        for row in classes:
            label = f"{row['class_id']}, {self.at(str(row['starts_at']))}: {_verdict(row)}"
            shapes.append(_block(start, end, row, f"v-{_verdict(row).lower()}", label))
        for row in outages:
            label = f"outage, {row['answer']}: {self.at(str(row['starts_at']))} – {self.at(str(row['ends_at']))}"
            shapes.append(_block(start, end, row, f"outage o-{row['answer']}", label))
        drawn = Markup("").join(shape for shape in shapes if shape)
        return Markup(
            '<svg class="strip" viewBox="0 0 {} 64" role="img" aria-label="the last {} days">{}</svg>'
        ).format(STRIP_WIDTH, STRIP_DAYS, drawn)

    def _last_days(self, last: Instant) -> tuple[Instant, Instant]:
        """Span the days of our zone up to the one that holds the last moment of something."""
        day = datetime.fromtimestamp((last - 1) / SECOND, UTC).astimezone(self._zone).date() + timedelta(days=1)
        midnight = datetime.combine(day, time(), self._zone)
        end = int(midnight.timestamp()) * SECOND
        return end - STRIP_DAYS * DAY, end


def _verdict(row: Mapping[str, object]) -> str:
    judged = row["verdict"]
    return str(judged["verdict"]) if isinstance(judged, Mapping) else "none"


def _x(start: Instant, at: Instant) -> float:
    return round((at - start) / (STRIP_DAYS * DAY) * STRIP_WIDTH, 1)


def _day(start: Instant, at: Instant, label: str) -> Markup:
    x = _x(start, at)
    line = Markup('<line class="day" x1="{}" y1="0" x2="{}" y2="48"/><text x="{}" y="62">{}</text>')
    return line.format(x, x, x + 2, label[5:10])


def _block(start: Instant, end: Instant, row: Mapping[str, object], style: str, label: str) -> Markup:
    begins, ends = parse_instant(str(row["starts_at"])), parse_instant(str(row["ends_at"]))
    if ends <= start or begins >= end:
        return Markup("")
    left = _x(start, max(begins, start))
    width = max(_x(start, ends) - left, 3.0)
    top, height = (30, 12) if style.startswith("outage") else (6, 20)
    block = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')
    return block.format(style, left, top, width, height, label)


def money(minor: int | None, currency: str | None) -> str:
    """Write an amount; a dash where there is none."""
    return "–" if minor is None or currency is None else written(minor, currency)


def percent(share: float) -> str:
    """Write a share of one."""
    return f"{share * 100:.0f} %"


def term(value: object) -> str:
    """Write one term of a formula; of a table its entries, one after the other."""
    if isinstance(value, Mapping):
        return "; ".join(f"{words(str(name))}: {term(entry)}" for name, entry in value.items())
    return "–" if value is None else str(value)


def words(name: str) -> str:
    """Write a name of the machine's as words."""
    return name.replace("_", " ").lower()


def tone(name: str) -> str:
    """Give the style of a state or verdict: what is well, what waits, what is wrong."""
    if name in {"paid", "accepted", "ATTENDED", "clear", "CANCELLED", "NO_SHOW"}:
        return "well"
    if name in {"held", "candidate", "parked", "stopped", "failed", "rejected", "UNABLE_PLATFORM", "owed"}:
        return "wrong"
    return "open"


def age(now: Instant, since: Instant) -> str:
    """Write how long ago something began, in the two units that matter."""
    passed = max(now - since, 0)
    if passed >= 4 * DAY:
        return f"{passed // DAY} d {passed % DAY // HOUR} h"
    return f"{passed // HOUR} h {passed % HOUR // MINUTE:02d} min"
