"""The environment becomes settings, or an error that names the variable."""

import re
from pathlib import Path

import pytest

from sluice.config import PictureTextConfig
from sluice.errors import SettingsError
from sluice.resources import triton_repository
from sluice.settings import load_settings, name_unknown
from sluice.verdict.documents import load_policy


def test_an_empty_environment_gives_working_defaults(tmp_path: Path) -> None:
    settings = load_settings({"XDG_DATA_HOME": str(tmp_path)})
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.media_store == str(tmp_path / "sluice" / "media")
    assert settings.media.roots == (tmp_path / "sluice" / "media",)
    assert not settings.media.allow_private
    assert settings.picture_text.enabled
    assert not settings.speech.enabled
    assert load_policy(settings.policy_path).name == "default"
    assert settings.tokenizer is None
    assert (triton_repository() / "fusion" / "config.pbtxt").exists()


PEM = __file__  # a file that is there
OAUTH = {
    "SLUICE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "SLUICE_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    "SLUICE_KAFKA_OAUTH_TOKEN_URL": "https://idp/token",
    "SLUICE_KAFKA_OAUTH_CLIENT_ID": "sluice",
    "SLUICE_KAFKA_OAUTH_CLIENT_SECRET": "hush",
}


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(f"hush {ending}".encode())
    environment = {"SLUICE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "SLUICE_KAFKA_SASL_USERNAME": "u"}
    settings = load_settings({**environment, "SLUICE_KAFKA_SASL_PASSWORD_FILE": str(file)})
    assert settings.kafka.sasl_password == "hush "


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    keys = {
        "SLUICE_KAFKA_CERTIFICATE_FILE": PEM,
        "SLUICE_KAFKA_KEY_PASSWORD": "hush",
        "SLUICE_KAFKA_SASL_PASSWORD": "hush",
        "SLUICE_MEDIA_STORE": "s3://key:hush@bucket",
        "SLUICE_KAFKA_OAUTH_TOKEN_URL": "https://name:hush@idp.example/token",
    }
    settings = load_settings({**OAUTH, **keys})
    assert settings.kafka.oauth is not None
    assert settings.kafka.oauth.client_secret == settings.kafka.key_password == settings.kafka.sasl_password == "hush"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({**OAUTH, "SLUICE_KAFKA_OAUTH_CLIENT_SECRET": ""}, "SLUICE_KAFKA_OAUTH_CLIENT_SECRET"),
        ({**OAUTH, "SLUICE_KAFKA_OAUTH_CLIENT_SECRET_FILE": PEM}, "only one of them"),
        ({**OAUTH, "SLUICE_KAFKA_OAUTH_CA_FILE": "/nowhere.pem"}, "SLUICE_KAFKA_OAUTH_CA_FILE: /nowhere.pem"),
        ({"SLUICE_KAFKA_SASL_PASSWORD_FILE": "/nowhere"}, "SLUICE_KAFKA_SASL_PASSWORD_FILE: cannot read /nowhere"),
        ({"SLUICE_KAFKA_CERTIFICATE_FILE": PEM}, "SLUICE_KAFKA_CERTIFICATE_FILE: PLAINTEXT"),
        ({"SLUICE_KAFKA_SECURITY_PROTOCOL": "SSL", "SLUICE_KAFKA_KEY_FILE": PEM}, "SLUICE_KAFKA_KEY_FILE"),
    ],
)
def test_security_that_cannot_work_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        load_settings(environment)
    assert "hush" not in str(caught.value)


def test_every_variable_is_read() -> None:
    settings = load_settings(
        {
            "SLUICE_KAFKA": "k1:9093,k2:9093",
            "SLUICE_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "SLUICE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "SLUICE_KAFKA_SASL_USERNAME": "u",
            "SLUICE_KAFKA_SASL_PASSWORD": "hush",
            "SLUICE_KAFKA_CA_FILE": PEM,
            "SLUICE_TOPIC_POSTS": "in",
            "SLUICE_GROUP": "g",
            "SLUICE_TRITON": "t:8001",
            "SLUICE_TRITON_HIGH": "h:8001",
            "SLUICE_FIRST_STAGE": "yes",
            "SLUICE_METRICS_PORT": "0",
            "SLUICE_MEDIA_STORE": "s3://bucket/media",
            "SLUICE_MEDIA_ROOTS": "/a:/b",
            "SLUICE_MEDIA_ALLOW_PRIVATE": "true",
            "SLUICE_DEADLINE_MS": "700",
            "SLUICE_PICTURE_TEXT": "no",
            "SLUICE_PICTURE_LINES": "12",
            "SLUICE_SPEECH": "1",
            "SLUICE_CACHE_MB": "0",
            "SLUICE_SHED": "0",
            "SLUICE_BACKLOG": "newest",
        }
    )
    assert settings.kafka.librdkafka() == {
        "bootstrap.servers": "k1:9093,k2:9093",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "hush",
        "ssl.ca.location": PEM,
    }
    assert (settings.kafka.topics.posts, settings.agent.group, settings.inference.triton) == ("in", "g", "t:8001")
    assert (settings.inference.triton_high, settings.inference.first_stage) == ("h:8001", True)
    assert settings.media.roots == (Path("/a"), Path("/b"))
    assert settings.media.store_urls == ("s3://bucket/media",)
    assert settings.media.allow_private
    assert (settings.pipeline.deadline_ms, settings.metrics_port) == (700, 0)
    assert (settings.memory.cache_mb, settings.pipeline.sheds, settings.agent.newest_first) == (0, False, True)
    assert settings.picture_text == PictureTextConfig(enabled=False, max_lines=12)
    assert settings.speech.enabled
    assert "hush" not in repr(settings)


def test_an_adopted_encoders_tokenizer_has_to_be_there(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    with pytest.raises(SettingsError, match="SLUICE_TOKENIZER"):
        load_settings({"SLUICE_TOKENIZER": str(file)})
    file.write_text("{}")
    assert load_settings({"SLUICE_TOKENIZER": str(file)}).tokenizer == file


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SLUICE_METRICS_PORT", "70000"),
        ("SLUICE_METRICS_PORT", "http"),
        ("SLUICE_DECODERS", "--4"),
        ("SLUICE_DECODERS", "²"),
        ("SLUICE_DEADLINE_MS", "-5"),
        ("SLUICE_DEADLINE_MS", "--5"),
        ("SLUICE_DEADLINE_MS", "\u00b2"),
        ("SLUICE_START_TIMEOUT_S", "soon"),
        ("SLUICE_START_TIMEOUT_S", "nan"),
        ("SLUICE_MEDIA_ALLOW_PRIVATE", "maybe"),
        ("SLUICE_PICTURE_TEXT", "maybe"),
        ("SLUICE_BACKLOG", "random"),
        ("SLUICE_CACHE_MB", "-1"),
        ("SLUICE_SPEECH", "loud"),
        ("SLUICE_PICTURE_LINES", "0"),
        ("SLUICE_KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("SLUICE_KAFKA_SASL_MECHANISM", "GUESS"),
        ("SLUICE_MAX_DEADLINE_MS", "30000"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load_settings({variable: value})


@pytest.mark.parametrize("store", ["/media/a b", "file:///media/a%20b"])
def test_a_directory_is_a_root_however_it_is_written(store: str) -> None:
    media = load_settings({"SLUICE_MEDIA_STORE": store}).media
    assert (media.roots, media.store_urls) == ((Path("/media/a b"),), ())


def test_sasl_without_credentials_is_an_error() -> None:
    with pytest.raises(SettingsError, match="SLUICE_KAFKA_SASL_PASSWORD"):
        load_settings({"SLUICE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "SLUICE_KAFKA_SASL_USERNAME": "u"})


@pytest.mark.parametrize("topic", ["moderation.dead-letters", "moderation.verdicts"])
def test_a_worker_that_would_read_what_it_writes_is_an_error(topic: str) -> None:
    with pytest.raises(SettingsError, match="SLUICE_TOPIC"):
        load_settings({"SLUICE_TOPIC_POSTS": topic})


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("SLUICE_TRITN", "SLUICE_TRITN is no setting: did you mean SLUICE_TRITON?"),
        (
            "SLUICE_KAFKA_OAUTH_SCOPES",
            "SLUICE_KAFKA_OAUTH_SCOPES is no setting: did you mean SLUICE_KAFKA_OAUTH_SCOPE?",
        ),
        ("SLUICE_XYZW", "SLUICE_XYZW is no setting"),
    ],
)
def test_a_variable_that_nobody_reads_is_named_with_the_nearest(variable: str, said: str) -> None:
    assert name_unknown({variable: "x", "HOME": "/", "SLUICE_KAFKA": "k:9092", "SLUICE_CACHE": "/c"}) == [said]


def test_what_the_settings_page_lists_is_known() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    listed = set(re.findall(r"`(SLUICE_[A-Z_]+)`", page))
    assert len(listed) > 40
    assert name_unknown(dict.fromkeys(listed, "")) == []


def test_how_long_topics_keep_messages() -> None:
    told = {
        "SLUICE_RETENTION": "posts=3d, dead-letters=2w,decisions=forever,webhook-dead-letters=1h",
        "SLUICE_TOPIC_POSTS": "mine",
    }
    assert dict(load_settings(told).kafka.retention_ms) == {
        "mine": 3 * 86_400_000, "moderation.dead-letters": 14 * 86_400_000, "moderation.decisions": -1,
        "moderation.webhook-dead-letters": 3_600_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [("posts=3", "'3' is none"), ("posts", "'' is none"), ("policies=1d", "'policies' is none of posts, posts-high")],
)
def test_a_wrong_retention_is_named(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"SLUICE_RETENTION: {said}"):
        load_settings({"SLUICE_RETENTION": text})
