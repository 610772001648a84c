"""Configuration of each part: small frozen structures, below every part, so that reading them imports none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sluice.topics import Topics as Topics

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@dataclass(frozen=True)
class OAuthConfig:
    """Where a client gets its token (OAuth 2.0 client credentials, as OIDC providers give them).

    Attributes
    ----------
    token_url : str
        The provider's token endpoint.
    scope : str or None
        What to ask for, where the provider wants it said.
    ca_file : str or None
        PEM of the authority that signed the endpoint's certificate; None takes the system's.
    """

    token_url: str = field(repr=False)  # it may hold a password
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True)
class KafkaConfig:
    """A Kafka cluster and the names of the topics on it.

    Attributes
    ----------
    bootstrap : str
        ``host:port`` pairs, separated by commas.
    security_protocol : str
        ``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``.
    sasl_mechanism : str
        One of `SASL_MECHANISMS`; read only with a ``SASL_`` protocol.
    sasl_username, sasl_password : str or None
        For every mechanism but ``OAUTHBEARER``.
    oauth : OAuthConfig or None
        For ``OAUTHBEARER``.
    ca_file : str or None
        PEM of the authority that signed the brokers' certificates; None takes the system's.
    retention_ms : tuple of (str, int)
        For how many milliseconds topics keep messages that are made by us, by their names; others as the brokers say.
    certificate_file, key_file : str or None
        PEM of a certificate by which the brokers know this client, and of its key; without a key file the key is in
        the certificate's.
    key_password : str or None
        Opens an encrypted key.
    embedded : bool
        The broker is librdkafka's mock cluster, which keeps 5 MB a partition and drops the rest.
    """

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    topics: Topics = Topics()  # noqa: RUF009  (frozen)
    oauth: OAuthConfig | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    embedded: bool = False
    retention_ms: tuple[tuple[str, int], ...] = ()

    def for_high(self) -> KafkaConfig:
        """The same, with the posts that come first as its posts."""
        return replace(self, topics=replace(self.topics, posts=self.topics.posts_high))

    @property
    def uses_sasl(self) -> bool:
        """Whether the protocol carries a user name and a password, or a token."""
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_oauth(self) -> bool:
        """Whether the protocol carries a token."""
        return self.uses_sasl and self.sasl_mechanism == "OAUTHBEARER"

    @property
    def uses_tls(self) -> bool:
        """Whether the protocol is encrypted."""
        return self.security_protocol.endswith("SSL")

    def librdkafka(self) -> dict[str, str | int | float | bool]:
        """The same as librdkafka's properties (`CONFIGURATION.md` of librdkafka names them)."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol.lower(),
            **(self._sasl_properties() if self.uses_sasl else {}),
            **_given(
                {
                    "ssl.ca.location": self.ca_file,
                    "ssl.certificate.location": self.certificate_file,
                    "ssl.key.location": self.key_file or self.certificate_file,
                    "ssl.key.password": self.key_password,
                }
            ),
        }

    def _sasl_properties(self) -> dict[str, str | int | float | bool]:
        if self.oauth is None or not self.uses_oauth:
            return {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username or "",
                "sasl.password": self.sasl_password or "",
            }
        return _given(
            {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.token.endpoint.url": self.oauth.token_url,
                "sasl.oauthbearer.client.id": self.oauth.client_id,
                "sasl.oauthbearer.client.secret": self.oauth.client_secret,
                "sasl.oauthbearer.scope": self.oauth.scope,
                "https.ca.location": self.oauth.ca_file,
            }
        )


def _given(properties: dict[str, str | None]) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in properties.items() if value is not None}


@dataclass(frozen=True)
class AgentConfig:
    """How much one worker takes on.

    Attributes
    ----------
    group : str
        Kafka's consumer group.
    max_in_flight : int
        Posts with media that are being scored at once, and as many without.
    max_ahead : int
        Posts picked up and not acknowledged: bounds how far finished posts run ahead of one that is stuck.
    max_bytes, max_waiting_bytes : int
        Of messages that are picked up and not acknowledged; of those that wait to be picked up.
    newest_first : bool
        Whether, of the posts that are picked up, those begin first whose deadline is the latest.
    session_timeout_s : float
        After so long without a sign of life Kafka gives a worker's partitions to others. The longest deadline of a
        post must be shorter, or a rebalance cannot wait for the posts in flight.
    """

    group: str = "sluice"
    max_in_flight: int = 256
    max_ahead: int = 4096
    max_bytes: int = 192 * 2**20
    max_waiting_bytes: int = 64 * 2**20
    session_timeout_s: float = 30.0
    newest_first: bool = False


@dataclass(frozen=True)
class InferenceConfig:
    """How to reach Triton.

    Attributes
    ----------
    triton : str
        ``host:port`` of Triton's gRPC endpoint.
    triton_high : str
        The same of a Triton for posts that come first; empty where they share the one above.
    first_stage : bool
        Whether plainly benign texts are cleared by a small model, if Triton has it, before the large ones read them.
    max_request_s : float
        A request is given up after this many seconds, whatever the posts' deadlines.
    tls : bool
        Whether the connection is encrypted; it also is where a file is named.
    ca_file : str or None
        PEM of the authority behind Triton's certificate; None takes gRPC's own list of public ones.
    cert_file, key_file : str or None
        PEM of the worker's own certificate and its key, where Triton asks for one.
    """

    triton: str = "127.0.0.1:8001"
    max_request_s: float = 30.0
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    triton_high: str = ""
    first_stage: bool = False

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or self.ca_file is not None or self.cert_file is not None


@dataclass(frozen=True)
class MediaConfig:
    """Where media may come from, and how much of it.

    Attributes
    ----------
    roots : tuple of Path
        Directories that ``file:`` URIs may name; none by default.
    store_urls : tuple of str
        fsspec URLs (``s3://bucket/prefix``) under which media may be read.
    allow_private : bool
        Whether HTTP may go to addresses inside our own network, and to any port.
    max_bytes : int
        Of one image or clip.
    timeout_s : float
        For one image or clip, redirects and retries included.
    contact : str
        Whom the owner of a server may turn to, in the User-Agent; empty for none.
    """

    roots: tuple[Path, ...] = ()
    store_urls: tuple[str, ...] = field(default=(), repr=False)  # a URL may hold a key
    allow_private: bool = False
    max_bytes: int = 20 * 2**20
    timeout_s: float = 5.0
    max_redirects: int = 3
    contact: str = ""


@dataclass(frozen=True)
class PipelineConfig:
    """Limits of the pipeline.

    Attributes
    ----------
    deadline_ms : int
        For posts that name none.
    max_deadline_ms : int
        For posts that name a longer one; a worker's shutdown grace must be longer than this.
    sheds : bool
        Whether parts are late at once while there is too much to do.
    """

    deadline_ms: int = 5_000
    max_deadline_ms: int = 20_000
    sheds: bool = True


@dataclass(frozen=True)
class TracingConfig:
    """Whether spans are sent, and how. Everything else about them is read by OpenTelemetry's own SDK.

    Attributes
    ----------
    enabled : bool
    protocol : {"http/protobuf", "grpc"}
        Of OTLP.
    has_service_name : bool
        Whether the environment names the service.
    """

    enabled: bool = False
    protocol: str = "http/protobuf"
    has_service_name: bool = False


@dataclass(frozen=True)
class PictureTextConfig:
    """How text in pictures is read.

    Attributes
    ----------
    enabled : bool
        Whether it is.
    max_lines : int
        Of one picture; the rest is named in its status.
    max_waiting_bytes : int
        Of pages that wait to be read, or are being read: 32 of the largest. Those behind them would be late anyway.
    """

    enabled: bool = True
    max_lines: int = 64
    max_waiting_bytes: int = 96 * 2**20


@dataclass(frozen=True)
class DecodingConfig:
    """Limits of the processes that decode media.

    Attributes
    ----------
    n_decoders : int
        Processes.
    idle_bytes : int
        Of data, that each may have without asking: what its libraries take, and a picture of a few megapixels.
    shared_bytes : int
        Of data, for all large files that are being decoded together.
    cpu_s, wall_s : float
        For one file.
    """

    n_decoders: int = 4
    idle_bytes: int = 192 * 2**20
    shared_bytes: int = 1024 * 2**20
    cpu_s: float = 8.0
    wall_s: float = 30.0


@dataclass(frozen=True)
class SpeechConfig:
    """Whether speech is transcribed, and the limits of the process that does it.

    Attributes
    ----------
    enabled : bool
    memory_bytes : int
        Of data, beyond what the loaded model has: some machines' allocators reserve a gigabyte that nobody touches.
    cpu_s, wall_s : float
        For the speech of one clip.
    """

    enabled: bool = False
    memory_bytes: int = 768 * 2**20
    cpu_s: float = 30.0
    wall_s: float = 60.0
