"""Finding a collector by name."""

from pathlib import Path

import pytest

from collectors import registry
from collectors.agora import Agora
from collectors.livekit import LiveKit


def test_each_provider_with_secrets_gets_its_collector() -> None:
    built = registry.build({"agora": ["a", "b"], "livekit": ["key:with:colons"], "beacon": []})

    assert built == {"agora": Agora(("a", "b")), "livekit": LiveKit((("key", "with:colons"),))}
    assert all(name == collector.provider for name, collector in built.items())


def test_all_of_ours_are_known() -> None:
    assert registry.known() >= {"agora", "livekit", "beacon", "trtc", "hundredms", "generic", "zoom", "twilio", "janus"}


def test_a_provider_nobody_knows_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"'agoar'.*agora, beacon, generic"):
        registry.build({"agoar": ["secret"]})


@pytest.mark.parametrize(
    "given",
    [
        {"livekit": ["no-colon"]},
        {"livekit": [":s"]},
        {"agora": [""]},
        {"trtc": [""]},
        {"hundredms": ["no-colon"]},
        {"generic": ["no-colon"]},
        {"zoom": [""]},
        {"twilio": ["no-colon"]},
        {"janus": ["no-colon"]},
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_without_being_shown(given: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - what the message must not hold is the point
        registry.build(given)

    assert "no-colon" not in str(refused.value)


def third_party(folder: Path, name: str) -> None:
    """Install a distribution that offers a collector under this name."""
    (folder / "their_collector.py").write_text("def make(secrets):\n    return ('theirs', secrets)\n")
    info = folder / "their_collector-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-collector\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[qos_monitor.collectors]\n{name} = their_collector:make\n")


def test_a_third_party_collector_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    third_party(tmp_path, "daily")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert "daily" in registry.known()
    assert repr(registry.build({"daily": ["s"]})) == "{'daily': ('theirs', ('s',))}"


def test_a_third_party_never_takes_the_place_of_one_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    third_party(tmp_path, "agora")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert registry.build({"agora": ["s"]}) == {"agora": Agora(("s",))}
