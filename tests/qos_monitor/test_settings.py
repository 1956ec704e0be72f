"""Settings: early, all together, in words."""

import dataclasses
from pathlib import Path

import pytest

from collectors.twilio import Twilio
from qos_monitor import settings
from qos_monitor.errors import SettingsError
from qos_monitor.from_settings import collectors_of
from qos_monitor.settings import TABLE, Settings

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def problems(environ: dict[str, str], file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.load(environ, file)
    return list(caught.value.problems)


def test_nothing_given_is_every_default() -> None:
    loaded = settings.load({})

    assert loaded.port == 8080
    assert loaded.tick_s == 1.0
    assert loaded.agora_secrets == ()
    assert loaded.claims_url is None
    assert loaded.database_url == "sqlite+aiosqlite:///var/qos-monitor.sqlite3"


def test_the_table_has_one_row_for_every_field_of_settings() -> None:
    names = [row.name for row in TABLE]

    assert names == [f"QOS_{field.name.upper()}" for field in dataclasses.fields(Settings)]
    assert all(row.meaning for row in TABLE)


def test_every_kind_of_value_is_read() -> None:
    loaded = settings.load(
        {
            "QOS_PORT": "0",
            "QOS_AGORA_SECRETS": "old, new",
            "QOS_LIVEKIT_KEYS": "k1:s1,k2:s:2",
            "QOS_TRTC_SECRETS": "old,new",
            "QOS_HUNDREDMS_SECRETS": "x-school: a-value-nobody-guesses,Authorization:Bearer something",
            "QOS_GENERIC_SECRETS": f"sfu:{WHSEC},sfu:{WHSEC},school:{WHSEC}",
            "QOS_ZOOM_SECRETS": "old,new",
            "QOS_TWILIO_TOKENS": "old,new",
            "QOS_TWILIO_URL": "https://other.example/webhooks/twilio",
            "QOS_BREAKER_SUM_MINOR": "CNY:100000,JPY:5",
            "QOS_BEACON_ORIGINS": "https://class.school.example",
            "QOS_CLAIMS_URL": "https://refunds.example/claims/",
            "QOS_JANUS_CREDENTIALS": "sfu:a-password-nobody-guesses, sfu:another:of-16-characters",
            "QOS_CLAIMS_SECRETS": f"{WHSEC},{WHSEC}",
            "PATH": "/bin",
        }
    )

    assert loaded.port == 0
    assert loaded.agora_secrets == ("old", "new")
    assert loaded.livekit_keys == {"k1": "s1", "k2": "s:2"}
    assert loaded.trtc_secrets == ("old", "new")
    assert loaded.hundredms_secrets == ("x-school: a-value-nobody-guesses", "Authorization:Bearer something")
    assert loaded.generic_secrets == (f"sfu:{WHSEC}", f"sfu:{WHSEC}", f"school:{WHSEC}")
    assert loaded.janus_credentials == ("sfu:a-password-nobody-guesses", "sfu:another:of-16-characters")
    assert sorted(collectors_of(loaded)) == [
        *("agora", "generic", "hundredms", "janus", "livekit", "trtc", "twilio", "zoom"),
    ]
    assert collectors_of(loaded)["twilio"] == Twilio(("old", "new"), "https://other.example/webhooks/twilio")
    assert loaded.breaker_sum_minor == {"CNY": 100000, "JPY": 5}
    assert loaded.claims_url == "https://refunds.example/claims"
    assert loaded.claims_secrets == (WHSEC, WHSEC)


def test_twilio_needs_a_url_and_takes_the_public_one_where_it_has_none_of_its_own() -> None:
    loaded = settings.load({"QOS_TWILIO_TOKENS": "t", "QOS_PUBLIC_URL": "https://qos.school.example/"})

    assert collectors_of(loaded)["twilio"] == Twilio(("t",), "https://qos.school.example/webhooks/twilio")
    [told] = problems({"QOS_TWILIO_TOKENS": "t"})
    assert told.startswith("QOS_TWILIO_URL: nothing was given; ")


def test_all_mistakes_are_told_together_with_what_was_given_and_what_is_wanted() -> None:
    told = problems(
        {
            "QOS_PORT": "65536",
            "QOS_TICK_S": "soon",
            "QOS_CLAIMS_URL": "refunds.example",
            "QOS_ROSTER_TOKEN": "short",
            "QOS_BREAKER_SUM_MINOR": "yuan:5",
            "QOS_BEACON_ORIGINS": "https://school.example/path",
        }
    )

    assert len(told) == 6
    assert "QOS_PORT: '65536' was given; a whole number from 0 to 65535 is wanted" in told
    assert any(line.startswith("QOS_TICK_S: 'soon' was given") for line in told)


@pytest.mark.parametrize("given", ["no-colon", ":a-password-nobody-guesses", "user:of-15-characte"])
def test_a_password_that_could_be_guessed_or_has_no_user_is_refused(given: str) -> None:
    [told] = problems({"QOS_JANUS_CREDENTIALS": given})

    assert told.startswith("QOS_JANUS_CREDENTIALS: a secret that is not shown was given; user:password pairs")


def test_a_secret_that_is_wrong_is_not_shown() -> None:
    [told] = problems({"QOS_CLAIMS_SECRETS": "whsec_c2hvcnQ="})

    assert "c2hvcnQ" not in told
    assert told.startswith("QOS_CLAIMS_SECRETS: a secret that is not shown was given")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("QOS_HUNDREDMS_SECRETS", "no-colon-at-all-here"),
        ("QOS_HUNDREDMS_SECRETS", "x-school:short"),
        ("QOS_HUNDREDMS_SECRETS", "x school:a-value-nobody-guesses"),
        ("QOS_HUNDREDMS_SECRETS", "x-school:a-value-nobody-guesses,"),
        ("QOS_GENERIC_SECRETS", WHSEC),
        ("QOS_GENERIC_SECRETS", f"My SFU:{WHSEC}"),
        ("QOS_GENERIC_SECRETS", "sfu:whsec_c2hvcnQ="),
    ],
)
def test_a_pair_that_cannot_be_used_is_a_mistake_that_shows_nothing(name: str, given: str) -> None:
    [told] = problems({name: given})

    assert told.startswith(f"{name}: a secret that is not shown was given; ")
    assert given not in told


@pytest.mark.parametrize(
    "given",
    [
        "sqlite+aiosqlite:///",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file:x?mode=memory&uri=true",
        "sqlite:///x.db",
        "postgresql+asyncpg://u:p@[::1/x",
        "postgresql+asyncpg://u:p@h:65536/x",
        "mysql://u:p@h/x",
        "?",
    ],
)
def test_a_database_that_cannot_be_opened_is_a_mistake_of_the_settings(given: str) -> None:
    [told] = problems({"QOS_DATABASE_URL": given})

    assert told.startswith("QOS_DATABASE_URL: a secret that is not shown was given; sqlite+aiosqlite:///FILE or ")


def test_a_secret_given_where_its_file_is_wanted_is_not_shown() -> None:
    [told] = problems({"QOS_CASES_TOKEN_FILE": "my-real-secret"})

    assert told.startswith(
        "QOS_CASES_TOKEN_FILE: a path that is not shown was given; a file that can be read is wanted"
    )
    assert "my-real-secret" not in told
    [plain] = problems({"QOS_HOST_FILE": "no-such-file"})
    assert plain.startswith("QOS_HOST_FILE: 'no-such-file' was given; ")


@pytest.mark.parametrize("with_file", ["QOS_CASES_TOKEN", "QOS_CASES_TOKEN_FILE"])
def test_the_environment_goes_before_the_file_for_a_value_and_the_file_that_holds_it(
    tmp_path: Path, with_file: str
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.write_text("the-token-of-the-file", encoding="utf-8")
    ours.write_text("the-token-of-the-environment", encoding="utf-8")
    config = tmp_path / "qos.toml"
    key = "cases_token_file" if with_file == "QOS_CASES_TOKEN" else "cases_token"
    config.write_text(f'{key} = "{theirs if key.endswith("_file") else "the-token-of-the-file"}"', encoding="utf-8")
    given = "the-token-of-the-environment" if with_file == "QOS_CASES_TOKEN" else str(ours)

    assert settings.load({with_file: given}, config).cases_token == "the-token-of-the-environment"
    assert settings.load({}, config).cases_token == "the-token-of-the-file"


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    assert problems({"QOS_AGORA_SECRET": "x"}) == ["QOS_AGORA_SECRET: is not a setting; QOS_AGORA_SECRETS is"]


def test_any_setting_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "agora").write_text("from a file\n", encoding="utf-8")

    assert settings.load({"QOS_AGORA_SECRETS_FILE": str(tmp_path / "agora")}).agora_secrets == ("from a file",)


def test_a_value_and_its_file_together_are_a_mistake_and_so_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "agora").write_text("x", encoding="utf-8")
    told = problems(
        {
            "QOS_AGORA_SECRETS": "y",
            "QOS_AGORA_SECRETS_FILE": str(tmp_path / "agora"),
            "QOS_ROSTER_TOKEN_FILE": str(tmp_path / "missing"),
        }
    )

    assert len(told) == 2
    assert "QOS_AGORA_SECRETS was given too" in told[0]
    assert "a file that can be read is wanted (FileNotFoundError)" in told[1]


def test_a_toml_file_goes_after_the_environment_and_before_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "qos.toml"
    file.write_text('port = 9000\ntick_s = 0.5\nagora_secrets = ["a", "b"]\n', encoding="utf-8")

    loaded = settings.load({"QOS_PORT": "9001"}, file)

    assert loaded.port == 9001
    assert loaded.tick_s == 0.5
    assert loaded.agora_secrets == ("a", "b")


def test_mistakes_of_file_and_environment_are_told_together(tmp_path: Path) -> None:
    file = tmp_path / "qos.toml"
    file.write_text("prt = 9000\nhost = true\n", encoding="utf-8")

    told = problems({"QOS_TICK_S": "0"}, file)

    assert told == [
        "QOS_TICK_S: '0' was given; a number of seconds from 0.01 to 3600 is wanted",
        "qos.toml: host: a text, a number or a list is wanted",
        "qos.toml: prt: is not a setting; QOS_PORT is",
    ]


def test_a_file_that_is_not_toml_is_told(tmp_path: Path) -> None:
    file = tmp_path / "qos.toml"
    file.write_text("port = = 1", encoding="utf-8")

    [told] = problems({}, file)

    assert told.startswith("--config:")


def test_what_is_shown_holds_no_secret() -> None:
    words = settings.shown(settings.load({"QOS_AGORA_SECRETS": "hidden", "QOS_CLAIMS_SECRETS": WHSEC}))

    assert words["QOS_AGORA_SECRETS"] == "set"
    assert words["QOS_LIVEKIT_KEYS"] == "not set"
    assert words["QOS_PORT"] == "8080"
    assert not any("hidden" in value or WHSEC in value for value in words.values())


def test_a_place_for_claims_without_a_secret_to_sign_them_is_a_mistake() -> None:
    [told] = problems({"QOS_CLAIMS_URL": "https://refunds.example/claims"})

    assert told.startswith("QOS_CLAIMS_SECRETS: nothing was given")
