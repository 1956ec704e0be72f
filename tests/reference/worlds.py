"""Random worlds of many learners, in which a node, a carrier, an app, or the login fails for some of them."""

from dataclasses import dataclass, field
from random import Random

from rules_school import dropped, enrolment, kept_out, lesson, local, present, received, seen

from rules.observation import Observation
from rules.span import DAY, HOUR, MINUTE, Instant
from rules.world import Cancellation, Course, Enrolment, ScheduledClass, World

BASE: Instant = local("Mon 08:00")
NODES, NETWORKS, CLIENTS = ("bj-7", "sh-1", "gz-2"), ("gd-ct", "bj-cu", "sh-cm"), ("ios-9", "web-3")
SCENARIOS = ("node", "network", "client", "login", "absent", "both", "provider", "last mile", "usual")


@dataclass
class _School:
    chance: Random
    scenario: str
    domains: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: list[ScheduledClass] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)

    def enrol(self, size: int) -> None:
        for number in range(size):
            self.domains[f"u{number:02}"] = {
                "provider": "agora",
                "node": NODES[number % len(NODES)],
                "network": self.chance.choice(NETWORKS),
                "client": self.chance.choice(CLIENTS),
            }

    def is_hit(self, who: str) -> bool:
        """Say whether the scenario strikes a learner."""
        mine = self.domains[who]
        is_on_node, is_on_network = mine["node"] == "bj-7", mine["network"] == "gd-ct"
        odds = {
            "node": 0.9 * is_on_node,
            "network": 0.9 * is_on_network,
            "client": 0.8 * (mine["client"] == "ios-9"),
            "both": 0.5 * is_on_node + 0.5 * is_on_network,
            "login": 0.6,
            "absent": 0.7,
            "provider": 0.9,
        }
        return self.chance.random() < odds.get(self.scenario, 0.03)

    def half_hour(self, window: Instant, who: list[str], *, is_bad: bool) -> None:
        """Schedule these learners, in rooms of some size, within one window or just at its end."""
        left = list(who)
        self.chance.shuffle(left)
        room = self.chance.choice([1, 4, 7, 12])
        while left:
            mine, left = left[:room], left[room:]
            begins = window + self.chance.choice([0, 0, 0, 5 * MINUTE, 30 * MINUTE - 1])
            row = lesson(
                f"c{len(self.rows):03}",
                begins,
                *mine,
                minutes=self.chance.choice([60, 60, 30]),
                teacher=f"t{len(self.rows) % 5}",
                cancelled=self._called_off(begins),
            )
            self.rows.append(row)
            for learner in mine:
                self.observations += self._went(row, learner, is_hit=is_bad and self.is_hit(learner))

    def _called_off(self, begins: Instant) -> Cancellation | None:
        if self.chance.random() > 0.03:
            return None
        at = begins + self.chance.choice([-1, 0, 20 * MINUTE, 2 * HOUR])
        return Cancellation(at, self.chance.choice(["platform", "mutual"]), is_technical=self.chance.random() < 0.5)

    def _went(self, row: ScheduledClass, who: str, *, is_hit: bool) -> list[Observation]:
        domains = self.domains[who]
        style = self.chance.choice(["out", "thrown", "client"]) if is_hit else self._usually()
        if is_hit and self.scenario == "absent":
            style = "nothing"
        if style == "out":
            return kept_out(row, who, fault="unknown", domains=domains)
        if style == "client":
            return kept_out(row, who, vantage="client", domains=domains)
        if style == "thrown":
            return dropped(row, row.starts_at + row.span.length // 4, who, fault="unknown", domains=domains)
        if style == "rough":
            third = row.starts_at + row.span.length // 3
            bad = received(row, {"loss": 0.1}, row.starts_at, third, who, domains=domains)
            return [*dropped(row, third, who, fault="unknown", domains=domains), bad]
        return [] if style == "nothing" else present(row, who, domains=domains)

    def _usually(self) -> str:
        rough = 0.1 if self.scenario == "last mile" else 0.01
        return self.chance.choices(["in", "nothing", "out", "rough"], [0.93, 0.05, 0.01, rough])[0]

    def one_amid(self, blames: str) -> list[Observation]:
        """Give one learner classes of their own in which a server blames a domain by name."""
        told = []
        for after in self.chance.sample([3, 11, 24, 35, 48, 59], 2):
            row = lesson(f"c{len(self.rows):03}", BASE + after * HOUR, "u00")
            self.rows.append(row)
            told += kept_out(row, "u00", blames=blames, domains=self.domains["u00"])
        return told

    def some(self, least: int) -> list[str]:
        return self.chance.sample(sorted(self.domains), self.chance.randint(least, len(self.domains)))


def crowded_world(seed: int) -> tuple[World, Instant]:
    """Make a world of 30 to 60 learners and an instant to judge it at; the same for the same seed."""
    chance = Random(seed)  # noqa: S311 - not for secrets
    school = _School(chance, SCENARIOS[seed % len(SCENARIOS)])
    school.enrol(chance.randint(30, 60))
    for days_ago in chance.sample([29, 28, 14, 7, 1], chance.randint(0, 3)):
        school.half_hour(BASE - days_ago * DAY, school.some(20), is_bad=False)
    for after in sorted(chance.sample([0, 11, 12, 23, 24, 36, 48, 49], chance.choice([1, 2, 3, 5]))):
        school.half_hour(BASE + after * HOUR, school.some(20), is_bad=True)
    if chance.random() < 0.6:
        start = BASE + chance.choice([1, 13, 25, 50]) * HOUR
        for number in range(chance.choice([1, 2, 3])):
            school.half_hour(start + number * 30 * MINUTE, school.some(20), is_bad=False)
    if chance.random() < 0.7:
        school.observations += school.one_amid(chance.choice(["node", "client", "login", "provider", "account"]))
    if chance.random() < 0.2:
        ends = BASE + chance.choice([1, 30, 60]) * HOUR
        school.observations.append(seen("feed_alive", BASE, None, None, until=ends))
    last = max(row.ends_at for row in school.rows)
    as_of = last + chance.choice([15 * MINUTE, 3 * HOUR, 6 * HOUR, DAY, 192 * HOUR, 20 * DAY])
    courses = (Course("math", None, visual_essential=False),)
    return World(courses, tuple(_bought(school)), tuple(school.rows), tuple(school.observations)), as_of


def _bought(school: _School) -> list[Enrolment]:
    rows = []
    for who in school.domains:
        if school.chance.random() < 0.6:
            begun = BASE - school.chance.choice([40 * DAY, 2 * DAY, -5 * HOUR])
            rows.append(enrolment(f"e-{who}", who, starts_at=begun))
    return rows
