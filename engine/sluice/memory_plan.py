"""How a worker's memory is shared out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sluice.config import DecodingConfig


@dataclass(frozen=True)
class MemoryPlan:
    """How the memory of a worker and its decoders is shared out.

    Attributes
    ----------
    total_mb : int
        Of all processes together, resident.
    n_decoders : int
        Processes that decode media.
    cache_mb : int
        Of results that are kept for repeats.
    """

    total_mb: int = 3072
    n_decoders: int = 4
    cache_mb: int = 64

    _WORKER_MB: ClassVar[int] = 450
    """Libraries, texts, rows and tensors under way."""
    _DECODER_MB: ClassVar[int] = 220
    """A decoder that does not ask for more."""
    _LEAST_SHARED_MB: ClassVar[int] = 400

    @property
    def least_mb(self) -> int:
        """What is needed for a picture of a few megapixels to be decoded at all."""
        return self._WORKER_MB + self.cache_mb + self.n_decoders * self._DECODER_MB + self._LEAST_SHARED_MB

    @property
    def decoding(self) -> DecodingConfig:
        """The decoders' share: 60 % of what they and the worker do not need anyway."""
        return DecodingConfig(self.n_decoders, shared_bytes=self._share(0.6))

    @property
    def media_bytes(self) -> int:
        """Of files that were fetched and wait to be decoded: 25 %."""
        return self._share(0.25)

    @property
    def message_bytes(self) -> int:
        """Of messages that were taken from Kafka and have no outcome yet: 15 %."""
        return self._share(0.15)

    def _share(self, share: float) -> int:
        shared_mb = self.total_mb - self._WORKER_MB - self.cache_mb - self.n_decoders * self._DECODER_MB
        return int(shared_mb * share) * 2**20
