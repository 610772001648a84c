"""Hands posts to Kafka, media by reference, and says so when one did not arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from sluice.client.inline_media import move_inline_media
from sluice.config import KafkaConfig
from sluice.errors import PostTooLarge, PublishError
from sluice.formats import CONTENT_TYPE_HEADER, CONTENT_TYPES, Format, decode_post, encode_as, load_codec
from sluice.kafka import MAX_MESSAGE_BYTES
from sluice.schema import Post, encode, read_id
from sluice.tracing import context_of_caller

if TYPE_CHECKING:
    from sluice.media.store import MediaStore

Headers = Iterable[tuple[str, str | bytes | None]]
_HeaderList = list[tuple[str, str | bytes | None]]
OnDelivery = Callable[[PublishError | None], None]


class Publisher:
    """Publishes posts: acknowledged by all replicas, in order, each once per call.

    Parameters
    ----------
    kafka : KafkaConfig
        Where to.
    store : MediaStore or None
        Takes inline media above 64 KiB; None leaves them in the message.
    delivery_timeout_s : float
        How long one message may wait for its acknowledgement.
    form : {"json", "avro", "protobuf"}
        What `publish` writes posts in.

    Raises
    ------
    SettingsError
        The form's extra is not installed.

    Notes
    -----
    Not safe for several threads. Delivery is asynchronous: `publish` raises the error of an earlier message;
    after `flush` every message has arrived or an error was raised.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        store: MediaStore | None = None,
        *,
        delivery_timeout_s: float = 30.0,
        form: Format = "json",
    ) -> None:
        if form != "json":
            load_codec(form)
        self._form: Format = form
        self._kafka = kafka
        self._store = store
        self._failure: PublishError | None = None
        self._is_connected = False
        self._producer = Producer({**producer_properties(kafka, delivery_timeout_s), "stats_cb": self._note_statistics})

    def connect(self, timeout_s: float = 10.0) -> None:
        """Wait until Kafka has given this publisher its id: half a second that the first post would wait otherwise.

        Raises
        ------
        PublishError
            It did not within `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while not self._is_connected:
            if time.monotonic() > deadline:
                raise PublishError(f"Kafka at {self._kafka.bootstrap} did not accept a publisher in {timeout_s:.0f} s")
            self._producer.poll(0.05)

    def _note_statistics(self, statistics: str) -> None:
        self._is_connected = msgspec.json.decode(statistics, type=_Statistics).eos.idemp_state == "Assigned"

    def publish(self, post: Post, headers: Headers = ()) -> None:
        """Send one post, its id as key.

        Raises
        ------
        PostTooLarge
            It is over `MAX_MESSAGE_BYTES` even without its large media.
        PublishError
            An earlier message was not delivered.
        """
        value, key = encode(post), post.id.encode()
        if self._form != "json":
            value = encode_as(decode_post(self.move_media(value)), self._form)
            headers = [*headers, (CONTENT_TYPE_HEADER, CONTENT_TYPES[self._form])]
        self.publish_bytes(value, key, headers)

    def publish_bytes(
        self,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        on_delivery: OnDelivery | None = None,
    ) -> int:
        """Send one message as it is, but for large inline media.

        Parameters
        ----------
        value : bytes or None
            None publishes a message without a value.
        key : bytes or None
            `read_key` finds the one that fits a post.
        on_delivery : callable or None
            Called from `poll` or `flush` with None, or with the error, which is then not raised.

        Returns
        -------
        int
            The size of the message in bytes.

        Raises
        ------
        PostTooLarge, PublishError
            As in `publish`.
        """
        self._raise_failure()
        message = None if value is None else self.move_media(value)
        n_bytes = len(message or b"")
        if n_bytes + len(key or b"") > MAX_MESSAGE_BYTES:
            raise PostTooLarge(f"the message has {n_bytes} bytes, the limit is {MAX_MESSAGE_BYTES}")
        self._produce(message, key, _in_trace(headers), self._settle(on_delivery))
        self._producer.poll(0)
        return n_bytes

    def move_media(self, value: bytes) -> bytes:
        """Put the message's large inline media into the store, if there is one; see `move_inline_media`.

        Raises
        ------
        PublishError
            The store does not take it.
        """
        try:
            return move_inline_media(value, self._store) if self._store else value
        except OSError as error:
            raise PublishError(f"the media store does not take a post's media: {error}") from error

    def _produce(
        self,
        value: bytes | None,
        key: bytes | None,
        headers: list[tuple[str, str | bytes | None]],
        settle: Callable[..., None],
    ) -> None:
        while True:
            try:
                self._producer.produce(self._kafka.topics.posts, value, key, headers=headers, on_delivery=settle)
            except BufferError:  # librdkafka's queue is full: deliver some first
                self._producer.poll(0.1)
            except KafkaException as error:
                raise self._error(error.args[0]) from error
            else:
                return

    def _settle(self, on_delivery: OnDelivery | None) -> Callable[..., None]:
        def settle(error: KafkaError | None, _message: Message) -> None:
            failure = self._error(error) if error is not None else None
            if on_delivery is not None:
                on_delivery(failure)
            elif failure is not None:
                self._failure = self._failure or failure

        return settle

    def _error(self, error: KafkaError) -> PublishError:
        kind = PostTooLarge if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else PublishError
        return kind(f"Kafka at {self._kafka.bootstrap} did not take a message: {error.str()}")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def poll(self, timeout_s: float = 0.0) -> None:
        """Let delivery reports come in."""
        self._producer.poll(timeout_s)

    @property
    def n_waiting(self) -> int:
        """Messages that are not acknowledged yet."""
        return len(self._producer)

    def flush(self, timeout_s: float = 60.0) -> None:
        """Wait until every message is acknowledged.

        Raises
        ------
        PublishError
            One was not, or the time is over.
        """
        deadline = time.monotonic() + timeout_s
        while len(self._producer) and time.monotonic() < deadline:
            self._producer.flush(0.2)  # in short steps, so that Ctrl-C is heard
        self._raise_failure()
        if len(self._producer):
            n_left = len(self._producer)
            raise PublishError(f"Kafka at {self._kafka.bootstrap} left {n_left} messages without acknowledgement")

    def close(self) -> None:
        """Flush, then let go of the connection."""
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:  # the body failed: do not hide its error behind a wait for a broker that may be gone
            self._producer.purge()


def _in_trace(headers: Headers) -> _HeaderList:
    """Headers with the context of the caller's span, unless they name one."""
    given = list(headers)
    names = {name for name, _ in given}
    return [*given, *((name, value) for name, value in context_of_caller().items() if name not in names)]


def producer_properties(kafka: KafkaConfig, delivery_timeout_s: float) -> dict[str, str | int | float | bool]:
    """Properties for librdkafka of a publisher: nothing lost, nothing twice, one post on its own leaves at once."""
    return {
        **kafka.librdkafka(),
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 1,
        "statistics.interval.ms": 200,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "message.timeout.ms": int(delivery_timeout_s * 1000),
        "queue.buffering.max.kbytes": 64 * 1024,
        "log_level": 0,  # what goes wrong is raised; librdkafka would print it once more
    }


class _Idempotence(msgspec.Struct):
    """Where librdkafka is with the producer's id (its `STATISTICS.md`, section eos)."""

    idemp_state: str = ""


class _Statistics(msgspec.Struct):
    eos: _Idempotence = msgspec.field(default_factory=_Idempotence)


def read_key(value: bytes) -> bytes | None:
    """The key of a message: the id of its post, or None if it has none that can be read."""
    identifier = read_id(value)
    return None if identifier is None else identifier.encode()
