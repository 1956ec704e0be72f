"""A person's names are found in raw bytes however they are spelt there, and taken out of them."""

import pytest

from qos_monitor.redacting import redactor


@pytest.mark.parametrize(
    ("body", "cleaned"),
    [
        (b'{"uid":4711,"count":4711,"who":"x4711"}', b'{"uid":0,"count":4711,"who":"x4711"}'),
        (b'{"identity":"kim","room":"kim-room"}', b'{"identity":"forgotten","room":"kim-room"}'),
        (b'{"said":"{\\"user\\":\\"kim\\"}"}', b'{"said":"{\\"user\\":\\"forgotten\\"}"}'),
        (b'{"a":"kim"}\n{"a":"lee"}', b'{"a":"forgotten"}\n{"a":"lee"}'),
        (b"Identity=kim&Room=r", b"Identity=forgotten&Room=r"),
        (b"Identity=%E9%87%91&Room=a%2Fb", b"Identity=forgotten&Room=a%2Fb"),
        (b"Identity=%e9%87%91+x&Room=", b"Identity=forgotten+x&Room="),
        (b'{"who":"\\u91D1","at":"a\\/b"}', b'{"who":"forgotten","at":"a/b"}'),
        (b'{"who":"\\u91d1"}', b'{"who":"forgotten"}'),
        (b'{"kim":{"x":1}}', b'{"forgotten":{"x":1}}'),
    ],
)
def test_names_are_taken_out_of_a_body_and_nothing_else_is(body: bytes, cleaned: bytes) -> None:
    looks = redactor(["kim", "4711", "金"])

    assert looks.finds(body)
    assert looks.redacted(body) == cleaned
    assert not looks.finds(cleaned)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"a":"kimono","b":["akim",14711]}', b"\xff\xfekimkim"])
def test_a_body_that_names_somebody_else_is_not_found(body: bytes) -> None:
    assert not redactor(["kim", "4711"]).finds(body)
