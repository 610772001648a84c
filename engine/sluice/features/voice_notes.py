"""The voice notes that phones and browsers record, by FFmpeg: its wheel holds GPL codecs, and is therefore an extra."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import MediaInvalid

Float32 = npt.NDArray[np.float32]

CONTAINERS = {
    "M4A": "mov", "MP4": "mov", "3GP": "mov", "QuickTime": "mov", "WebM": "matroska", "AMR": "amr", "AAC": "aac",
    "CAF": "caf", "AIFF": "aiff",
}  # fmt: skip
"""Our names and FFmpeg's: told the container, it does not try others, such as playlists that name further files."""
_MICROSECONDS = 1_000_000


def open_stream(content: bytes, name: str) -> tuple[int, int, int | None, Iterator[Float32]]:
    """The first sound track of a file: its rate in Hz, channels, samples by its own word, and blocks of samples.

    A block has the shape (n,) and lies in [-1, 1].

    Raises
    ------
    MediaInvalid
        ``unsupported`` (the extra is missing, or the codec is not known), ``not_audio`` or ``empty`` (no sound track).
    """
    av = _import_av(name)
    try:
        container = av.open(io.BytesIO(content), format=CONTAINERS[name], metadata_errors="ignore")
    except (av.FFmpegError, ValueError, OSError) as error:
        raise MediaInvalid("not_audio", f"not audio: damaged {name}") from error
    if not container.streams.audio:
        raise MediaInvalid("empty", f"empty: {name} without sound")
    codec = container.streams.audio[0].codec_context
    if codec is None:
        raise MediaInvalid("unsupported", f"{name} with a codec that is not read")
    codec.thread_count = 1
    n_samples = round(container.duration / _MICROSECONDS * codec.sample_rate) if container.duration else None
    n_channels = codec.layout.nb_channels
    return codec.sample_rate, n_channels, n_samples, _read_blocks(av, container, n_channels)


def _import_av(name: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise MediaInvalid("unsupported", f"{name} is not read: this worker lacks the extra [media]") from error
    return av


def _read_blocks(av: Any, container: Any, n_channels: int) -> Iterator[Float32]:
    planar = av.AudioResampler(format="fltp")
    try:
        for frame in container.decode(audio=0):
            for each in planar.resample(frame):
                block = np.ascontiguousarray(each.to_ndarray().T, dtype=np.float32)
                if block.shape[1] != n_channels:
                    raise ValueError("a damaged stream that changes its channels on the way")
                yield block
    except (av.FFmpegError, ValueError, OSError) as error:
        raise MediaInvalid("truncated", "truncated or damaged audio") from error
