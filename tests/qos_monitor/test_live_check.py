"""`check --live` asks one real question over HTTP and says in words what works, what is lacking, and what came last."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from agora_analytics import APP_ID, FakeAnalytics, answers
from agora_analytics import KEY as AGORA_KEY
from aiohttp.test_utils import TestServer
from livekit_server import KEY, SECRET, FakeLiveKit, wrong
from service_parts import MONDAY, SetClock
from trtc_calls import APP_ID as TRTC_APP_ID
from trtc_calls import KEY as TRTC_KEY
from trtc_calls import FakeTrtc
from zoom_account import ACCOUNT, FakeZoom

from collectors.registry import OURS
from qos_monitor import cli, live_check, settings
from qos_monitor.polling.sources import SOURCES
from qos_monitor.provider_words import PROVIDERS, ago
from qos_monitor.settings import TABLE
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from rules.document import Invalid
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

Fake = FakeAnalytics | FakeLiveKit | FakeTrtc | FakeZoom


@dataclass
class Trial:
    """A provider's fake, and the settings that point at it."""

    folder: Path
    clock: SetClock = field(default_factory=SetClock)

    async def lines(self, provider: str, environ: Mapping[str, str]) -> tuple[list[str], bool]:
        """Give what is told, and whether it works."""
        database = {"QOS_DATABASE_URL": f"sqlite+aiosqlite:///{self.folder}/qos.sqlite3"}
        found = await live_check.lines(settings.load(database | dict(environ)), provider, self.clock)
        return [str(line) for line in found], live_check.is_working(found)

    async def stored(self, provider: str, *times: Instant) -> None:
        """Keep deliveries of a provider that came at these instants."""
        url = f"sqlite+aiosqlite:///{self.folder}/qos.sqlite3"
        async with storage.opened(url) as engine, storage.writing(engine) as conn:
            for at in times:
                values = {"provider": provider, "minute": at // MINUTE, "event_id": "e", "received_at": at}
                await conn.execute(deliveries.insert(), {**values, "headers": "{}", "body": b"", "state": 1})


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@asynccontextmanager
async def served(fake: Fake) -> AsyncIterator[str]:
    async with TestServer(fake.app()) as server:
        yield str(server.make_url("")).rstrip("/")


def agora(url: str, **more: str) -> dict[str, str]:
    given = {"QOS_AGORA_REST_KEY": ":".join(AGORA_KEY), "QOS_AGORA_APP_ID": APP_ID, "QOS_AGORA_REST_URL": url}
    return {**given, "QOS_AGORA_SECRETS": "a-secret", **more}


def livekit(url: str, secret: str = SECRET) -> dict[str, str]:
    return {"QOS_LIVEKIT_KEYS": f"{KEY}:{secret}", "QOS_LIVEKIT_URL": url.replace("http:", "ws:")}


async def test_agora_answers_and_the_plan_is_told_in_words(trial: Trial) -> None:
    fake = FakeAnalytics(trial.clock)
    async with served(fake) as url:
        told, works = await trial.lines("agora", agora(url))

    assert works
    assert told == [
        "ok      agora webhooks: QOS_AGORA_SECRETS is set",
        (
            "ok      agora statistics: the key is believed; Agora Standard keeps 24 h: fetch within a day; "
            "they are there 5 min after a class; 1,000 questions a day, 1 a second"
        ),
        "never   agora last event: there is no database yet",
    ]
    assert len(fake.asked) == 1


async def test_a_longer_plan_keeps_days(trial: Trial) -> None:
    async with served(FakeAnalytics(trial.clock)) as url:
        told, _ = await trial.lines("agora", agora(url, QOS_AGORA_PLAN="premium"))

    assert "Agora Premium keeps 7 days; they are there 2.5 min after a class" in told[1]


async def test_a_plan_without_statistics_is_not_asked(trial: Trial) -> None:
    fake = FakeAnalytics(trial.clock)
    async with served(fake) as url:
        told, works = await trial.lines("agora", agora(url, QOS_AGORA_PLAN="starter"))
        alone = await trial.lines("agora", agora(url, QOS_AGORA_PLAN="starter", QOS_AGORA_SECRETS=""))

    assert told[1] == (
        "off     agora statistics: Agora Starter has no statistics; set QOS_AGORA_PLAN to what you pay for"
    )
    assert works  # its webhooks do
    assert not alone[1]
    assert fake.asked == []


async def test_what_is_missing_is_named(trial: Trial) -> None:
    told, works = await trial.lines("agora", {})

    assert not works
    assert told[:2] == [
        "off     agora webhooks: set QOS_AGORA_SECRETS to take them",
        "off     agora statistics: set QOS_AGORA_REST_KEY and QOS_AGORA_APP_ID to poll",
    ]


async def test_a_wrong_key_fails_and_is_not_shown(trial: Trial) -> None:
    async with served(FakeAnalytics(trial.clock)) as url:
        told, works = await trial.lines("agora", agora(url, QOS_AGORA_REST_KEY="customer:not-the-secret"))

    assert not works
    assert told[1].startswith("FAILS   agora statistics: refused (HTTP 401); look at QOS_AGORA_REST_KEY")
    assert "not-the-secret" not in "".join(told)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, "", "the provider is in trouble (HTTP 503); try again later"),
        (404, "<html>", "an answer that is not documented (HTTP 404); look at QOS_AGORA_REST_URL"),
        (200, '{"code":300,"message":"qpd limit error"}', "the requests of today are spent (HTTP 200)"),
        (200, '{"code":300,"message":"no auth"}', "refused (HTTP 200)"),
    ],
)
async def test_what_goes_wrong_is_told_apart(trial: Trial, status: int, body: str, words: str) -> None:
    fake = FakeAnalytics(trial.clock, misdeeds=[answers(status, body)])
    async with served(fake) as url:
        told, works = await trial.lines("agora", agora(url))

    assert not works
    assert words in told[1]


async def test_a_server_that_is_not_there_fails(trial: Trial) -> None:
    told, works = await trial.lines("livekit", livekit("http://127.0.0.1:1"))

    assert not works
    assert told[1].startswith("FAILS   livekit presence: no answer within 20 s, or none that ends")


async def test_a_question_too_soon_after_the_services_own_is_asked_once_more(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_check, "AGAIN_S", 0.0)
    once, always = answers(200, '{"code":300,"message":"qps limit error"}'), answers(429)
    async with served(FakeAnalytics(trial.clock, misdeeds=[once])) as url:
        assert (await trial.lines("agora", agora(url)))[1]
    async with served(FakeAnalytics(trial.clock, misdeeds=[always, always])) as url:
        told, works = await trial.lines("agora", agora(url))

    assert not works
    assert "too many questions (HTTP 429)" in told[1]


async def test_livekit_is_asked_for_a_room_that_is_not_there(trial: Trial) -> None:
    fake = FakeLiveKit(trial.clock)
    async with served(fake) as url:
        told, works = await trial.lines("livekit", livekit(url))
        _, is_refused = await trial.lines("livekit", livekit(url, secret="x" * 32))
        fake.misdeeds.append(wrong(403, "permission_denied"))
        _, is_denied = await trial.lines("livekit", livekit(url))

    assert works
    assert "the key is believed; who is in a room is asked every 60 s while its class runs" in told[1]
    assert (is_refused, is_denied) == (False, False)


async def test_trtc_is_asked_and_its_package_is_told(trial: Trial) -> None:
    async with served(FakeTrtc(trial.clock)) as url:
        given = {"QOS_TRTC_API_KEY": ":".join(TRTC_KEY), "QOS_TRTC_SDK_APP_ID": str(TRTC_APP_ID)}
        told, works = await trial.lines("trtc", {**given, "QOS_TRTC_API_URL": url})
        _, is_wrong = await trial.lines(
            "trtc", {**given, "QOS_TRTC_API_URL": url, "QOS_TRTC_API_KEY": f"{TRTC_KEY[0]}:wrong"}
        )
        lacking, _ = await trial.lines("trtc", {**given, "QOS_TRTC_API_URL": url, "QOS_TRTC_PLAN": "free"})

    assert works
    assert "the key is believed; the standard version keeps 7 days" in told[1]
    assert not is_wrong
    assert "has no API since 2024-04-01" in lacking[1]


async def test_zoom_gets_a_token_and_its_plan_is_told(trial: Trial) -> None:
    async with served(FakeZoom(trial.clock)) as url:
        given = {"QOS_ZOOM_ACCOUNT": ":".join(ACCOUNT), "QOS_ZOOM_API_URL": f"{url}/v2"}
        given |= {"QOS_ZOOM_OAUTH_URL": f"{url}/oauth/token"}
        told, works = await trial.lines("zoom", given)
        wrong_app, is_wrong = await trial.lines("zoom", given | {"QOS_ZOOM_ACCOUNT": "the-account:the-client:wrong"})
        lacking, _ = await trial.lines("zoom", given | {"QOS_ZOOM_PLAN": "free"})

    assert works
    assert "Zoom business keeps 180 days" in told[1]
    assert "needs the Quality of Service Subscription" in told[1]
    assert not is_wrong
    assert "refused (HTTP 401); look at QOS_ZOOM_ACCOUNT" in wrong_app[1]
    assert "has neither reports nor dashboard" in lacking[1]


async def test_a_provider_without_an_api_tells_its_secret_and_its_last_event(trial: Trial) -> None:
    await trial.stored("janus", MONDAY - 3 * HOUR, MONDAY - 2 * HOUR - 10 * MINUTE)
    await trial.stored("beacon", MONDAY - MINUTE)
    set_up = await trial.lines("janus", {"QOS_JANUS_CREDENTIALS": "janus:a-password-of-sixteen"})
    not_set_up = await trial.lines("janus", {})

    assert set_up == (
        [
            "ok      janus events: QOS_JANUS_CREDENTIALS is set",
            "none    it sends everything by itself: nothing to try from here",
            "last    janus last event: 2 h 10 min ago",
        ],
        True,
    )
    assert not_set_up[1] is False


async def test_the_last_event_and_the_last_answered_poll_are_told(trial: Trial) -> None:
    await trial.stored("agora", MONDAY - 90 * SECOND)
    before, _ = await trial.lines("agora", {})
    await trial.stored("agora-stats", MONDAY - 3 * DAY - HOUR)
    after, _ = await trial.lines("agora", {})

    assert before[-2:] == ["last    agora last event: 1 min ago", "never   agora last answered poll: none yet"]
    assert after[-1] == "last    agora last answered poll: 3 days 1 h ago"


async def test_a_database_that_cannot_be_read_is_told_and_stops_nothing(trial: Trial) -> None:
    (trial.folder / "qos.sqlite3").write_bytes(b"no database" * 100)
    told, works = await trial.lines("beacon", {"QOS_BEACON_SECRETS": "a-secret-of-a-good-length"})

    assert works
    assert told[-1] == "?       beacon last event: the database cannot be read (DatabaseError)"


async def test_a_provider_nobody_knows_is_told_with_all_names(trial: Trial) -> None:
    with pytest.raises(Invalid) as caught:
        await trial.lines("skype", {})

    [problem] = caught.value.problems
    assert problem.message.endswith(f"there are {', '.join(sorted(OURS))}")


@pytest.mark.parametrize(("given", "code", "told"), [("skype", 2, "no provider is named 'skype'"), ("janus", 1, "")])
def test_the_command_answers_by_its_exit_code(
    given: str,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")

    assert cli.main(["check", "--live", given]) == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert ("janus events" in captured.out) is (given == "janus")


def test_every_provider_of_ours_can_be_tried_and_every_setting_named_exists() -> None:
    names = {row.name for row in TABLE}
    said = {word for one in PROVIDERS.values() for text in _texts(one) for word in re.findall(r"QOS_[A-Z_]+", text)}

    assert set(PROVIDERS) == set(OURS)
    assert said <= names
    assert {source.provider for source in SOURCES} == {name for name, one in PROVIDERS.items() if one.keys}


def _texts(provider: object) -> list[str]:
    values = [getattr(provider, name) for name in type(provider).__dataclass_fields__]  # type: ignore[attr-defined]  # any dataclass
    return [
        text for value in values for text in (value if isinstance(value, tuple) else (value,)) if isinstance(text, str)
    ]


@pytest.mark.parametrize(
    ("passed_ms", "words"),
    [
        (-5 * SECOND, "0 s ago"),
        (59_999, "59 s ago"),
        (MINUTE, "1 min ago"),
        (HOUR - 1, "59 min ago"),
        (HOUR, "1 h 0 min ago"),
        (2 * DAY - 1, "47 h 59 min ago"),
        (2 * DAY, "2 days 0 h ago"),
    ],
)
def test_how_long_ago_is_told_with_two_units_at_most(passed_ms: int, words: str) -> None:
    assert ago(passed_ms) == words
