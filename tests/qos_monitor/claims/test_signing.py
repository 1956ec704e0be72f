"""Signatures, against the library's own verifier and against everything that is not one."""

import base64
from datetime import UTC, datetime

import pytest
from claim_parts import NEW_SECRET, SECRET
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from qos_monitor.claims.signing import NotBelieved, believe, signed
from qos_monitor.clock import SystemClock
from rules.span import SECOND, parse_instant

NOW = parse_instant("2026-11-02T11:00:00Z")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(TEXT)
def test_what_we_sign_the_library_believes_under_each_secret(text: str) -> None:
    headers = signed([SECRET, NEW_SECRET], "m1", text.encode(), SystemClock().now())  # the library has no other clock

    for secret in (SECRET, NEW_SECRET):
        Webhook(secret).verify(text.encode(), headers, json_parse=False)


@given(TEXT, st.sampled_from([SECRET, NEW_SECRET]))
def test_what_the_library_signs_we_believe(text: str, secret: str) -> None:
    at = datetime.fromtimestamp(NOW // SECOND, UTC)
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(NOW // SECOND),
        "webhook-signature": Webhook(secret).sign("m1", at, text),
    }

    assert believe([SECRET, NEW_SECRET], headers, text.encode(), NOW) == "m1"


@given(st.binary(max_size=60), st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), TEXT)
def test_whatever_is_changed_is_not_believed_and_never_an_error(body: bytes, name: str, other: str) -> None:
    headers = signed([SECRET], "m1", b"the body", NOW)
    changed = {**headers, name: other}

    if body != b"the body":
        with pytest.raises(NotBelieved):
            believe([SECRET], headers, body, NOW)
    if other != headers[name]:
        with pytest.raises(NotBelieved):
            believe([SECRET], changed, b"the body", NOW)


@pytest.mark.parametrize("offset_s", [-300, 300])
def test_five_minutes_off_is_believed_and_a_second_more_is_not(offset_s: int) -> None:
    headers = signed([SECRET], "m1", b"{}", NOW // SECOND * SECOND)
    edge = NOW // SECOND * SECOND + offset_s * SECOND

    assert believe([SECRET], headers, b"{}", edge) == "m1"
    with pytest.raises(NotBelieved, match="timestamp"):
        believe([SECRET], headers, b"{}", edge + (SECOND if offset_s > 0 else -SECOND))


def test_without_a_secret_nobody_is_believed() -> None:
    with pytest.raises(NotBelieved, match="signature"):
        believe([], signed([SECRET], "m1", b"{}", NOW), b"{}", NOW)


def test_the_standards_published_example_is_signed_alike() -> None:
    """The example of the Standard Webhooks specification's own libraries, by its secret, id, time and body."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = signed([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", body, 1_614_265_330 * SECOND)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 24
