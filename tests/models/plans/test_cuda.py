"""What is asked of the CUDA driver, in which order, and with which numbers."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from sluice_models.plans.cuda import COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR, Cuda, Gpu
from sluice_models.plans.profiles import PlanError


class HostDriver:
    """A driver whose GPU is the host's memory.

    Parameters
    ----------
    failing : str or None
        The function that returns an error.
    words : bytes or None
        What that error is called.
    """

    def __init__(self, failing: str | None = None, words: bytes | None = b"out of memory") -> None:
        self.calls: list[str] = []
        self.blocks: dict[int, ctypes.Array] = {}
        self._failing = failing
        self._words = words

    def __getattr__(self, function: str):
        def call(*arguments):
            self.calls.append(function)
            if function == self._failing:
                return 2
            return getattr(self, f"_{function}", lambda *_: None)(*arguments) or 0

        if function.startswith("_"):
            raise AttributeError(function)
        return call

    def _cuStreamCreate(self, stream, flags):
        stream._obj.value = 77

    def _cuDeviceGetName(self, name, n_bytes, device):
        name.value = b"NVIDIA L4"

    def _cuDeviceGetAttribute(self, value, number, device):
        value._obj.value = {COMPUTE_CAPABILITY_MAJOR: 8, COMPUTE_CAPABILITY_MINOR: 9}[number.value]

    def _cuMemAlloc_v2(self, address, n_bytes):
        block = ctypes.create_string_buffer(n_bytes.value)
        address._obj.value = ctypes.addressof(block)
        self.blocks[address._obj.value] = block

    def _cuMemFree_v2(self, address):
        del self.blocks[address.value]

    def _cuMemcpyHtoD_v2(self, address, source, n_bytes):
        ctypes.memmove(address.value, source.value, n_bytes.value)

    def _cuMemcpyDtoH_v2(self, target, address, n_bytes):
        ctypes.memmove(target.value, address.value, n_bytes.value)

    def _cuGetErrorString(self, code, words):
        words._obj.value = self._words


def test_the_first_gpus_context_is_made_current_before_anything_else() -> None:
    driver = HostDriver()
    cuda = Cuda(driver)
    assert driver.calls == [
        "cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuStreamCreate"
    ]  # fmt: skip
    assert cuda.stream == 77


def test_the_card_says_its_name_and_capability() -> None:
    assert Cuda(HostDriver()).gpu == Gpu("NVIDIA L4", (8, 9))


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)])
def test_arrays_come_back_as_they_went(kind, shape) -> None:
    driver = HostDriver()
    cuda = Cuda(driver)
    sent = (np.arange(np.prod(shape)) % 2).reshape(shape).astype(kind)
    address = cuda.allocate(sent.nbytes)
    cuda.upload(address, sent)
    found = np.empty(shape, kind)
    cuda.download(address, found)
    cuda.free(address)
    assert np.array_equal(found, sent)
    assert driver.blocks == {}


def test_an_array_that_is_not_contiguous_is_sent_in_order() -> None:
    cuda = Cuda(HostDriver())
    sent = np.arange(12, dtype=np.int64).reshape(3, 4).T
    address = cuda.allocate(sent.nbytes)
    cuda.upload(address, sent)
    found = np.empty(sent.shape, np.int64)
    cuda.download(address, found)
    assert np.array_equal(found, sent)


@pytest.mark.parametrize("failing", ["cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuStreamCreate"])
def test_a_step_that_fails_is_named_in_the_drivers_words(failing: str) -> None:
    with pytest.raises(PlanError, match=f"no usable GPU: {failing}: out of memory"):
        Cuda(HostDriver(failing))


def test_memory_that_is_not_there_is_an_error_too() -> None:
    cuda = Cuda(HostDriver("cuMemAlloc_v2"))
    with pytest.raises(PlanError, match="cuMemAlloc_v2: out of memory"):
        cuda.allocate(10)


def test_an_error_without_a_name_keeps_its_number() -> None:
    with pytest.raises(PlanError, match="cuInit: error 2"):
        Cuda(HostDriver("cuInit", words=None))


def test_waiting_is_for_the_stream_that_was_made() -> None:
    driver = HostDriver()
    Cuda(driver).synchronize()
    assert driver.calls[-1] == "cuStreamSynchronize"
