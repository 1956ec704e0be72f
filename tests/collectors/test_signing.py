"""The HMAC shapes."""

import base64
import hashlib
import hmac

import pytest
from collector_specimens import unhurried
from hypothesis import given
from hypothesis import strategies as st

from collectors import signing

SHAPES = (signing.SHA1_HEX, signing.SHA256_HEX, signing.SHA256_BASE64, signing.SHA256_BASE64URL)


def test_each_shape_is_what_the_standard_library_gives() -> None:
    digest = hmac.new(b"k", b"body", hashlib.sha256).digest()

    assert signing.signed(b"k", b"body", signing.SHA1_HEX) == hmac.new(b"k", b"body", "sha1").hexdigest()
    assert signing.signed(b"k", b"body", signing.SHA256_HEX) == digest.hex()
    assert signing.signed(b"k", b"body", signing.SHA256_BASE64) == base64.b64encode(digest).decode()
    assert signing.signed(b"k", b"body", signing.SHA256_BASE64URL) + "=" == (base64.urlsafe_b64encode(digest).decode())


@pytest.mark.parametrize("shape", SHAPES)
@unhurried
@given(secrets=st.lists(st.binary(min_size=1), min_size=1, max_size=4, unique=True), body=st.binary())
def test_any_live_secret_fits_and_no_other_does(shape: signing.Shape, secrets: list[bytes], body: bytes) -> None:
    for secret in secrets:
        assert signing.fits(signing.signed(secret, body, shape), body, secrets, shape)
    assert not signing.fits(signing.signed(b"another" + b"".join(secrets), body, shape), body, secrets, shape)


@pytest.mark.parametrize("shape", SHAPES)
@unhurried
@given(given=st.text() | st.text(st.characters(categories=["Cs"]), min_size=1))
def test_no_text_makes_the_comparison_raise(shape: signing.Shape, given: str) -> None:
    assert not signing.fits(given, b"body", [b"secret"], shape)
    assert signing.equal(given, given)


def test_a_padded_base64url_signature_fits_too() -> None:
    written = signing.signed(b"k", b"b", signing.SHA256_BASE64URL)

    assert signing.fits(written + "=", b"b", [b"k"], signing.SHA256_BASE64URL)


def test_no_secret_fits_nothing() -> None:
    assert not signing.fits(signing.signed(b"", b"b", signing.SHA256_HEX), b"b", [], signing.SHA256_HEX)


@pytest.mark.parametrize("secrets", [[], [""], ["good", "  "]])
def test_a_missing_or_empty_secret_is_refused_in_words(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="agora"):
        signing.check_secrets(secrets, "agora")
