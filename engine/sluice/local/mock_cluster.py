"""librdkafka's mock cluster, made through its C interface (rdkafka_mock.h): no property of a client sets its delays."""

from __future__ import annotations

import ctypes

from confluent_kafka import cimpl

from sluice.errors import StackError
from sluice.local.processes import RunningInside

REBALANCE_DELAY_MS = 100
"""From the first member of a group until it has partitions. With librdkafka's 3 s everything that starts would wait."""

_PRODUCER = 0
_MESSAGE_BYTES = 512


class MockCluster(RunningInside):
    """The cluster, on threads of librdkafka's in this process.

    Parameters
    ----------
    n_brokers : int
        At least 1, each on a free port of the loopback interface.
    """

    def __init__(self, n_brokers: int) -> None:
        self._n_brokers = n_brokers
        self._librdkafka = _load()
        self._client: int | None = None
        self._cluster: int | None = None

    def start(self) -> None:
        """Make it; raises `StackError` with what librdkafka says."""
        reason = ctypes.create_string_buffer(_MESSAGE_BYTES)
        self._client = self._librdkafka.rd_kafka_new(_PRODUCER, None, reason, _MESSAGE_BYTES)
        if not self._client:
            raise StackError(f"the embedded broker: {reason.value.decode(errors='replace')}")
        self._cluster = self._librdkafka.rd_kafka_mock_cluster_new(self._client, self._n_brokers)
        if not self._cluster:
            raise StackError("the embedded broker: librdkafka could not make its mock cluster")
        self._librdkafka.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, REBALANCE_DELAY_MS)

    def stop(self) -> None:
        """End it; what it held is gone."""
        if self._cluster:
            self._librdkafka.rd_kafka_mock_cluster_destroy(self._cluster)
        if self._client:
            self._librdkafka.rd_kafka_destroy(self._client)
        self._client = self._cluster = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` of each broker, separated by commas; only while it runs."""
        found: bytes = self._librdkafka.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return found.decode()


def _load() -> ctypes.CDLL:
    """The librdkafka that the client is linked to."""
    librdkafka = ctypes.CDLL(cimpl.__file__)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for name, returned, arguments in (
        ("rd_kafka_new", pointer, (number, pointer, ctypes.c_char_p, ctypes.c_size_t)),
        ("rd_kafka_destroy", None, (pointer,)),
        ("rd_kafka_mock_cluster_new", pointer, (pointer, number)),
        ("rd_kafka_mock_cluster_destroy", None, (pointer,)),
        ("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p, (pointer,)),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, (pointer, ctypes.c_int32)),
    ):
        function = getattr(librdkafka, name)
        function.restype, function.argtypes = returned, arguments
    return librdkafka
