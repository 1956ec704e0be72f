"""Who asks is told as each provider wants it: signed, or with a token of the account."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from service_parts import MONDAY
from yarl import URL

from collectors.polls import Request
from qos_monitor.errors import SettingsError
from qos_monitor.polling import jobs
from qos_monitor.polling.oauth import AccountToken
from qos_monitor.polling.sources import SOURCES
from qos_monitor.polling.tc3 import Tc3
from qos_monitor.settings import load
from rules.span import MINUTE, SECOND

REQUEST = Request("/", {}, "name", MONDAY, '{"endpoint":"DescribeRoomInfo"}', "POST", b"{}")
PLACE = URL("https://trtc.tencentcloudapi.com/")


class Tokens:
    """Gives tokens, and counts them; ``answer`` is what it says instead."""

    def __init__(self) -> None:
        self.given = 0
        self.answer: tuple[int, str] | None = None

    async def give(self, _: web.Request) -> web.Response:
        self.given += 1
        told = json.dumps({"access_token": f"t{self.given}", "expires_in": 3_600})
        status, body = self.answer or (200, told)
        return web.Response(status=status, text=body)


@pytest.fixture
async def tokens() -> AsyncIterator[tuple[Tokens, AccountToken]]:
    giver = Tokens()
    app = web.Application()
    app.router.add_post("/oauth/token", giver.give)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield giver, AccountToken(http, str(server.make_url("/oauth/token")), ("a", "c", "a-secret"))


def test_the_example_of_tencents_own_page_is_signed_alike() -> None:
    signer = Tc3("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", "", service="cvm")
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'

    assert signer.signed("cvm.tencentcloudapi.com", body, 1_551_113_065) == (
        "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )


async def test_what_is_asked_of_tencent_says_which_interface_where_and_when() -> None:
    headers = await Tc3("id", "key", "ap-singapore").headers(REQUEST, PLACE, MONDAY + 999)

    assert headers["X-TC-Action"] == "DescribeRoomInfo"
    assert headers["X-TC-Region"] == "ap-singapore"
    assert headers["X-TC-Timestamp"] == str(MONDAY // SECOND)
    assert headers["Authorization"] == Tc3("id", "key", "").signed("trtc.tencentcloudapi.com", b"{}", MONDAY // SECOND)


async def test_a_token_is_held_until_five_minutes_before_it_runs_out(tokens: tuple[Tokens, AccountToken]) -> None:
    giver, authorizer = tokens
    told = [
        (await authorizer.headers(REQUEST, PLACE, at))["Authorization"]
        for at in (MONDAY, MONDAY + 55 * MINUTE - 1, MONDAY + 55 * MINUTE)
    ]

    assert told == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert giver.given == 2


async def test_of_two_who_hear_that_a_token_is_believed_no_more_one_asks_for_another(
    tokens: tuple[Tokens, AccountToken],
) -> None:
    giver, authorizer = tokens
    old = await authorizer.headers(REQUEST, PLACE, MONDAY)
    assert authorizer.is_renewed(old)
    await authorizer.headers(REQUEST, PLACE, MONDAY)
    assert authorizer.is_renewed(old)
    await authorizer.headers(REQUEST, PLACE, MONDAY)

    assert giver.given == 2


@pytest.mark.parametrize(
    ("status", "body", "becomes"),
    [
        (400, '{"error":"invalid_client"}', 401),
        (401, "", 401),
        (429, "", 429),
        (500, "", 500),
        (302, "", 302),
        (200, "<html>", 502),
        (200, '{"access_token":"","expires_in":3600}', 502),
        (200, '{"access_token":"a\\nb","expires_in":3600}', 502),
        (200, '{"access_token":7}', 502),
    ],
)
async def test_where_no_token_is_given_the_reason_is_the_answer(
    tokens: tuple[Tokens, AccountToken], status: int, body: str, becomes: int
) -> None:
    giver, authorizer = tokens
    giver.answer = (status, body)

    with pytest.raises(aiohttp.ClientResponseError) as refusal:
        await authorizer.headers(REQUEST, PLACE, MONDAY)

    assert refusal.value.status == becomes
    assert "a-secret" not in str(refusal.value)


def test_each_provider_whose_keys_are_set_is_polled_and_read() -> None:
    given = {
        "QOS_ZOOM_ACCOUNT": "account:client:secret",
        "QOS_TRTC_API_KEY": "id:key",
        "QOS_TRTC_SDK_APP_ID": "1400000001",
    }

    assert sorted(jobs.readers(load(given))) == ["trtc-stats", "zoom-stats"]
    assert [source.provider for source in SOURCES] == sorted(source.provider for source in SOURCES)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"QOS_ZOOM_ACCOUNT": "a:b"}, "QOS_ZOOM_ACCOUNT: a secret that is not shown was given; one account_id:"),
        ({"QOS_ZOOM_PLAN": "gold"}, "QOS_ZOOM_PLAN: 'gold' was given; one of free, pro, business is wanted"),
        ({"QOS_TRTC_API_KEY": "a:b"}, "QOS_TRTC_SDK_APP_ID: nothing was given; QOS_TRTC_API_KEY asks about one"),
        ({"QOS_TRTC_SDK_APP_ID": "x"}, "QOS_TRTC_SDK_APP_ID: 'x' was given; a number such as 1400000000 is wanted"),
        ({"QOS_TRTC_PLAN": "gold"}, "QOS_TRTC_PLAN: 'gold' was given; one of free, standard, advanced is wanted"),
    ],
)
def test_settings_that_cannot_be_are_told_in_words(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        load(given)

    assert any(problem.startswith(words) for problem in wrong.value.problems)
