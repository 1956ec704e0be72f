"""The beacon's token."""

import base64
import hashlib
import hmac
import json

import pytest
from collector_specimens import unhurried
from hypothesis import given
from hypothesis import strategies as st

from collectors.beacon.token import Ticket, believed, mint, unverified
from collectors.contract import Refused
from rules.observation import Role
from rules.span import SECOND

EXPIRES = 1_762_084_800_000
ids = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=200)


def three_lines(secret: str, claims: dict[str, object]) -> str:
    """Mint a token by the recipe in the README."""
    said = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.new(secret.encode(), said, hashlib.sha256).digest()).rstrip(b"=")
    return (said + b"." + signature).decode()


@unhurried
@given(ids, ids, st.integers(SECOND, 4_102_444_800_000), st.sampled_from(Role))
def test_a_minted_token_says_what_was_put_in(learner: str, class_id: str, expires: int, role: Role) -> None:
    token = mint("secret", learner, class_id, expires, role)

    assert believed(token, ["older", "secret"], 0) == Ticket(learner, class_id, expires // 1000 * 1000, role)
    assert believed(token, ["secret"], 0) == unverified(token)


def test_the_documented_recipe_mints_the_same_ticket() -> None:
    claims: dict[str, object] = {"learner": "学员1", "class": "c1", "exp": EXPIRES // 1_000}

    ticket = believed(three_lines("secret", claims), ["secret"], EXPIRES - 1)

    assert ticket == Ticket("学员1", "c1", EXPIRES)
    assert ticket.role is Role.LEARNER


def test_an_expiry_that_is_a_fraction_is_cut_down_to_the_second() -> None:
    """Python's ``time.time() + 3600`` is one."""
    claims: dict[str, object] = {"learner": "u1", "class": "c1", "exp": EXPIRES / 1_000 + 0.75}

    assert believed(three_lines("secret", claims), ["secret"], EXPIRES - 1).expires_at == EXPIRES


def test_the_node_recipe_gives_the_very_token() -> None:
    # Printed by the three lines of Node in the README for these claims, node 20.
    printed = (
        "eyJsZWFybmVyIjoidTEiLCJjbGFzcyI6ImMxIiwiZXhwIjoxNzYyMDg0ODAwfQ.yE61SJ3JCyHXU-N0Kr_XsVyW7UEGSUyW7n4fYNoKg4I"
    )

    assert mint("secret", "u1", "c1", EXPIRES) == printed


def test_a_token_is_good_until_the_instant_of_its_expiry_and_not_at_it() -> None:
    token = mint("secret", "u1", "c1", EXPIRES)

    believed(token, ["secret"], EXPIRES - 1)
    with pytest.raises(Refused, match="expired"):
        believed(token, ["secret"], EXPIRES)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (mint("another", "u1", "c1", EXPIRES), "wrong_signature"),
        (mint("secret", "u1", "c1", EXPIRES).replace(".", ".A", 1), "wrong_signature"),
        ("A" + mint("secret", "u1", "c1", EXPIRES), "wrong_signature"),
        (mint("secret", "u1", "c1", EXPIRES) + ".x", "malformed_token"),
        (mint("secret", "u1", "c1", EXPIRES).replace(".", ""), "malformed_token"),
        ("." * 5_000, "malformed_token"),
    ],
)
def test_a_token_nobody_of_ours_signed_is_refused(token: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        believed(token, ["secret"], 0)

    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"learner": "u1", "class": "c1"},
        {"learner": "", "class": "c1", "exp": 9e8},
        {"learner": "u1", "class": 7, "exp": 9e8},
        {"learner": "u1", "class": "c1", "exp": "soon"},
        {"learner": "u1", "class": "c1", "exp": 10**30},
        {"learner": "u1", "class": "c1", "exp": 9e8, "role": "owner"},
        {"learner": "u1", "class": "c1", "exp": 9e8, "role": ["learner"]},
        {"learner": "u" * 201, "class": "c1", "exp": 9e8},
        {"learner": "u\x00", "class": "c1", "exp": 9e8},
    ],
)
def test_a_signed_token_that_says_nonsense_is_refused(claims: dict[str, object]) -> None:
    with pytest.raises(Refused, match="malformed_token"):
        believed(three_lines("secret", claims), ["secret"], 0)


@unhurried
@given(st.text())
def test_no_text_makes_reading_a_token_raise(given: str) -> None:
    assert unverified(given) is None or "." in given or given


@pytest.mark.parametrize(
    ("secret", "learner", "class_id", "expires"),
    [("", "u1", "c1", EXPIRES), ("s", "", "c1", EXPIRES), ("s", "u1", "c" * 201, EXPIRES), ("s", "u1", "c1", 0)],
)
def test_no_token_is_minted_that_nobody_could_use(secret: str, learner: str, class_id: str, expires: int) -> None:
    with pytest.raises(ValueError, match=r"beacon|characters|expire"):
        mint(secret, learner, class_id, expires)
