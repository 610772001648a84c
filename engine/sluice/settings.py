"""The worker's settings, read from the environment: the only place that reads it.

Each part defines its own small configuration; only `sluice.app` and `sluice.cli` know this collection of them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from sluice.config import (
    SASL_MECHANISMS,
    AgentConfig,
    InferenceConfig,
    KafkaConfig,
    MediaConfig,
    OAuthConfig,
    PictureTextConfig,
    PipelineConfig,
    SecurityProtocol,
    SpeechConfig,
    TracingConfig,
)
from sluice.environment import Reader
from sluice.errors import SettingsError
from sluice.formats import FORMATS, Format, load_codec
from sluice.history.config import HistoryConfig
from sluice.media.store import local_folder
from sluice.memory_plan import MemoryPlan
from sluice.resources import default_policy
from sluice.topics import read_retention, read_topics


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a worker.

    Attributes
    ----------
    lists_path, hashes_path : Path or None
        A file or a folder each, of lists and of banks of hashes; None for what the topics hold alone.
    tokenizer : Path or None
        Words of an adopted text encoder; None for those of the one that ships.
    media_store : str
        Directory or fsspec URL where publishers put media, and from where the worker may read them.
    metrics_host, metrics_port
        Where ``/metrics``, ``/healthz`` and ``/readyz`` are served.
    start_timeout_s : float
        How long to wait for Kafka and Triton at start, in seconds.
    memory : MemoryPlan
        How the worker's memory is shared out.
    tracing : TracingConfig
        Whether spans are sent.
    verdict_format : {"json", "avro", "protobuf"}
        What the worker writes verdicts in.
    history : HistoryConfig
        What is remembered of authors.
    """

    kafka: KafkaConfig
    agent: AgentConfig
    inference: InferenceConfig
    media: MediaConfig
    pipeline: PipelineConfig
    picture_text: PictureTextConfig
    speech: SpeechConfig
    policy_path: Path
    lists_path: Path | None
    hashes_path: Path | None
    tokenizer: Path | None
    media_store: str = field(repr=False)  # a URL may hold a key
    metrics_host: str
    metrics_port: int
    start_timeout_s: float
    memory: MemoryPlan
    tracing: TracingConfig
    verdict_format: Format
    history: HistoryConfig


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises
    ------
    SettingsError
        Naming the variable and what it takes.
    """
    return _read_all(Reader(environ))


PREFIX = "SLUICE_"

READ_ELSEWHERE = (
    "SLUICE_API_KEYS",
    "SLUICE_BUNDLE",
    "SLUICE_CACHE",
    "SLUICE_LOG_FORMAT",
    "SLUICE_WEBHOOK_SECRET",
    "SLUICE_WEBHOOK_SECRET_FILE",
)
"""Variables that commands, Triton and training read."""


def load_webhook_secret(environ: Mapping[str, str] = os.environ) -> str:
    """The secrets that sign webhooks, as they are written; empty without any.

    Raises
    ------
    SettingsError
        The file that holds them cannot be read.
    """
    return Reader(environ).secret("SLUICE_WEBHOOK_SECRET") or ""


def name_unknown(environ: Mapping[str, str] = os.environ) -> list[str]:
    """One line for each variable that looks like a setting and is none, with the one that may be meant.

    No error: Kubernetes puts variables of its own beside ours, for a service whose name begins like them.
    """
    given = sorted(name for name in environ if name.startswith(PREFIX))
    if not given:
        return []
    reader = Reader({})
    _read_all(reader)
    known = [*reader.names, *READ_ELSEWHERE]
    return [_describe_unknown(name, known) for name in given if name not in known]


def _describe_unknown(name: str, known: Sequence[str]) -> str:
    meant = difflib.get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], n=1)
    return f"{name} is no setting" + (f": did you mean {PREFIX}{meant[0]}?" if meant else "")


def _read_all(read: Reader) -> Settings:
    store = read.text("SLUICE_MEDIA_STORE", str(data_folder(read.environ) / "media"))
    pipeline, memory = _read_pipeline(read), _read_memory(read)
    return Settings(
        kafka=_read_kafka(read),
        agent=_read_agent(read, pipeline, memory),
        inference=_read_inference(read),
        media=_read_media(read, store),
        pipeline=pipeline,
        picture_text=PictureTextConfig(
            enabled=read.flag("SLUICE_PICTURE_TEXT", "1"),
            max_lines=read.integer("SLUICE_PICTURE_LINES", PictureTextConfig.max_lines, 1, 1024),
        ),
        speech=SpeechConfig(enabled=read.flag("SLUICE_SPEECH")),
        policy_path=Path(read.text("SLUICE_POLICY", str(default_policy()))),
        lists_path=read.path("SLUICE_LISTS"),
        hashes_path=read.path("SLUICE_HASHES"),
        tokenizer=_read_tokenizer(read),
        media_store=store,
        metrics_host=read.text("SLUICE_METRICS_HOST", "127.0.0.1"),
        metrics_port=read.integer("SLUICE_METRICS_PORT", 9108, 0, 65_535),
        start_timeout_s=read.number("SLUICE_START_TIMEOUT_S", 60.0, 0.1, 3600.0),
        memory=memory,
        tracing=_read_tracing(read),
        verdict_format=_read_format(read),
        history=_read_history(read),
    )


def _read_history(read: Reader) -> HistoryConfig:
    folder = read.optional("SLUICE_HISTORY_DIR")
    return HistoryConfig(
        key=(read.secret("SLUICE_HISTORY_KEY") or "").encode(),
        folder=Path(folder) if folder else None,
        half_life_h=read.number("SLUICE_HISTORY_HALF_LIFE_H", HistoryConfig.half_life_h, 0.01, 100_000.0),
        days=read.number("SLUICE_HISTORY_DAYS", HistoryConfig.days, 0.01, 3650.0),
    )


def _read_format(read: Reader) -> Format:
    name, names = "SLUICE_VERDICT_FORMAT", [form.upper() for form in FORMATS]
    form = FORMATS[names.index(read.choice(name, "JSON", names))]
    if form != "json":
        load_codec(form)  # what is missing is said before anything is waited for
    return form


_OTLP = "OTEL_EXPORTER_OTLP"
_ASK_FOR_TRACES = ("OTEL_TRACES_EXPORTER", f"{_OTLP}_ENDPOINT", f"{_OTLP}_TRACES_ENDPOINT")
"""Of OpenTelemetry's variables, those that nobody sets who wants no traces."""


def _read_tracing(read: Reader) -> TracingConfig:
    """As OpenTelemetry's specification has it, but that nothing is sent unless a variable asks for it."""
    given = read.environ
    exporter = given.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter not in ("otlp", "none"):
        raise SettingsError(f"OTEL_TRACES_EXPORTER: {exporter!r} is none of otlp, none")
    protocol = given.get(f"{_OTLP}_TRACES_PROTOCOL") or given.get(f"{_OTLP}_PROTOCOL") or TracingConfig.protocol
    if protocol not in ("http/protobuf", "grpc"):
        raise SettingsError(f"{_OTLP}_PROTOCOL: {protocol!r} is none of http/protobuf, grpc")
    is_off = exporter == "none" or given.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return TracingConfig(
        enabled=not is_off and any(map(given.get, _ASK_FOR_TRACES)),
        protocol=protocol,
        has_service_name=bool(given.get("OTEL_SERVICE_NAME"))
        or "service.name=" in given.get("OTEL_RESOURCE_ATTRIBUTES", ""),
    )


def _read_memory(read: Reader) -> MemoryPlan:
    n_decoders = read.integer("SLUICE_DECODERS", 4, 1, 64)
    total_mb = read.integer("SLUICE_MEMORY_MB", MemoryPlan.total_mb, 1, 2**20)
    plan = MemoryPlan(total_mb, n_decoders, read.integer("SLUICE_CACHE_MB", MemoryPlan.cache_mb, 0, 2**16))
    if total_mb < plan.least_mb:
        raise SettingsError(
            f"SLUICE_MEMORY_MB: {n_decoders} decoders (SLUICE_DECODERS) and {plan.cache_mb} MB kept for repeats "
            f"(SLUICE_CACHE_MB) need {plan.least_mb} or more"
        )
    return plan


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where Sluice keeps a user's files (XDG Base Directory Specification)."""
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sluice"


def _read_kafka(read: Reader) -> KafkaConfig:
    topics = read_topics(read)
    protocol = read.choice("SLUICE_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", get_args(SecurityProtocol))
    kafka = KafkaConfig(
        bootstrap=read.text("SLUICE_KAFKA", KafkaConfig.bootstrap),
        security_protocol=protocol,  # type: ignore[arg-type]
        sasl_mechanism=read.choice("SLUICE_KAFKA_SASL_MECHANISM", "PLAIN", SASL_MECHANISMS),
        sasl_username=read.optional("SLUICE_KAFKA_SASL_USERNAME"),
        sasl_password=read.secret("SLUICE_KAFKA_SASL_PASSWORD"),
        oauth=_read_oauth(read),
        ca_file=read.file("SLUICE_KAFKA_CA_FILE"),
        certificate_file=read.file("SLUICE_KAFKA_CERTIFICATE_FILE"),
        key_file=read.file("SLUICE_KAFKA_KEY_FILE"),
        key_password=read.secret("SLUICE_KAFKA_KEY_PASSWORD"),
        embedded=read.flag("SLUICE_KAFKA_EMBEDDED"),
        topics=topics,
        retention_ms=read_retention(read, topics),
    )
    _check_security(kafka)
    return kafka


def _read_oauth(read: Reader) -> OAuthConfig | None:
    url, client = read.optional("SLUICE_KAFKA_OAUTH_TOKEN_URL"), read.optional("SLUICE_KAFKA_OAUTH_CLIENT_ID")
    secret, scope = read.secret("SLUICE_KAFKA_OAUTH_CLIENT_SECRET"), read.optional("SLUICE_KAFKA_OAUTH_SCOPE")
    ca_file = read.file("SLUICE_KAFKA_OAUTH_CA_FILE")
    return OAuthConfig(url, client, secret, scope, ca_file) if url and client and secret else None


def _check_security(kafka: KafkaConfig) -> None:
    """What is given must be used, and what is used must be given."""
    protocol = kafka.security_protocol
    if kafka.uses_oauth and kafka.oauth is None:
        raise SettingsError(
            "SLUICE_KAFKA_OAUTH_TOKEN_URL, SLUICE_KAFKA_OAUTH_CLIENT_ID and SLUICE_KAFKA_OAUTH_CLIENT_SECRET: "
            "OAUTHBEARER needs all three"
        )
    if kafka.uses_sasl and not kafka.uses_oauth and not (kafka.sasl_username and kafka.sasl_password):
        raise SettingsError(f"SLUICE_KAFKA_SASL_USERNAME and SLUICE_KAFKA_SASL_PASSWORD: {protocol} needs both")
    if kafka.certificate_file and not kafka.uses_tls:
        raise SettingsError(f"SLUICE_KAFKA_CERTIFICATE_FILE: {protocol} shows no certificate to the brokers")
    if kafka.key_file and not kafka.certificate_file:
        raise SettingsError("SLUICE_KAFKA_KEY_FILE: there is no SLUICE_KAFKA_CERTIFICATE_FILE that it belongs to")


def _read_agent(read: Reader, pipeline: PipelineConfig, memory: MemoryPlan) -> AgentConfig:
    agent = AgentConfig(
        group=read.text("SLUICE_GROUP", AgentConfig.group),
        max_in_flight=read.integer("SLUICE_MAX_IN_FLIGHT", AgentConfig.max_in_flight, 1, 100_000),
        max_ahead=read.integer("SLUICE_MAX_AHEAD", AgentConfig.max_ahead, 1, 1_000_000),
        max_bytes=memory.message_bytes * 3 // 4,
        max_waiting_bytes=memory.message_bytes // 4,
        session_timeout_s=read.number("SLUICE_SESSION_TIMEOUT_S", AgentConfig.session_timeout_s, 6.0, 1800.0),
        newest_first=read.choice("SLUICE_BACKLOG", "OLDEST", ("OLDEST", "NEWEST")) == "NEWEST",
    )
    if pipeline.max_deadline_ms >= agent.session_timeout_s * 1000:
        raise SettingsError(
            f"SLUICE_MAX_DEADLINE_MS: {pipeline.max_deadline_ms} ms must be less than SLUICE_SESSION_TIMEOUT_S "
            f"({agent.session_timeout_s:g} s), or posts in flight outlast a rebalance"
        )
    return agent


def _read_pipeline(read: Reader) -> PipelineConfig:
    return PipelineConfig(
        deadline_ms=read.integer("SLUICE_DEADLINE_MS", PipelineConfig.deadline_ms, 1, 600_000),
        max_deadline_ms=read.integer("SLUICE_MAX_DEADLINE_MS", PipelineConfig.max_deadline_ms, 1, 600_000),
        sheds=read.flag("SLUICE_SHED", "1"),
    )


def _read_inference(read: Reader) -> InferenceConfig:
    inference = InferenceConfig(
        triton=read.text("SLUICE_TRITON", InferenceConfig.triton),
        tls=read.flag("SLUICE_TRITON_TLS"),
        ca_file=read.file("SLUICE_TRITON_CA_FILE"),
        cert_file=read.file("SLUICE_TRITON_CERT_FILE"),
        key_file=read.file("SLUICE_TRITON_KEY_FILE"),
        triton_high=read.text("SLUICE_TRITON_HIGH", ""),
        first_stage=read.flag("SLUICE_FIRST_STAGE"),
    )
    if (inference.cert_file is None) != (inference.key_file is None):
        raise SettingsError("SLUICE_TRITON_CERT_FILE and SLUICE_TRITON_KEY_FILE: one needs the other")
    return inference


def _read_tokenizer(read: Reader) -> Path | None:
    chosen = read.file("SLUICE_TOKENIZER")
    return None if chosen is None else Path(chosen)


def _read_media(read: Reader, store: str) -> MediaConfig:
    folder = local_folder(store)
    roots = [Path(root) for root in read.text("SLUICE_MEDIA_ROOTS", "").split(os.pathsep) if root]
    return MediaConfig(
        roots=tuple([*roots, folder] if folder else roots),
        store_urls=() if folder else (store,),
        allow_private=read.flag("SLUICE_MEDIA_ALLOW_PRIVATE"),
        max_bytes=read.integer("SLUICE_MEDIA_MAX_BYTES", MediaConfig.max_bytes, 1, 2**31),
        timeout_s=read.number("SLUICE_MEDIA_TIMEOUT_S", MediaConfig.timeout_s, 0.01, 600.0),
        contact=_read_contact(read),
    )


def _read_contact(read: Reader) -> str:
    contact = read.text("SLUICE_MEDIA_CONTACT", "")
    if not (contact.isascii() and contact.isprintable() and not set(contact) & set("()")):
        raise SettingsError("SLUICE_MEDIA_CONTACT: it goes into a header: printable ASCII without brackets")
    return contact
