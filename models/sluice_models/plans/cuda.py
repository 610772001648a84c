"""The little that is needed of CUDA to run a plan: memory, copies and one stream, from the driver itself.

The driver's library is there wherever a GPU is, also in Triton's image, which has neither torch nor CUDA for Python.
Names and numbers: CUDA Driver API reference, https://docs.nvidia.com/cuda/cuda-driver-api.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice_models.plans.profiles import PlanError

LIBRARY = "libcuda.so.1"
COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR = 75, 76
"""Of the enumeration ``CUdevice_attribute``."""
NAME_BYTES = 256


@dataclass(frozen=True)
class Gpu:
    """A graphics card: its product name, and its compute capability as major and minor version."""

    name: str
    capability: tuple[int, int]


class Cuda:
    """The first visible GPU, in the context that TensorRT shares.

    Parameters
    ----------
    library : object, optional
        The loaded driver; found by its name by default.

    Raises
    ------
    PlanError
        If there is no driver or no GPU, in the driver's own words.
    """

    def __init__(self, library: Any = None) -> None:
        self._driver = _load_driver() if library is None else library
        self._call("cuInit", ctypes.c_uint(0))
        self._device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(self._device), ctypes.c_int(0))
        context, stream = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuStreamCreate", ctypes.byref(stream), ctypes.c_uint(0))
        self.stream = stream.value or 0

    @property
    def gpu(self) -> Gpu:
        """What the card is."""
        name = ctypes.create_string_buffer(NAME_BYTES)
        self._call("cuDeviceGetName", name, ctypes.c_int(NAME_BYTES), self._device)
        major, minor = map(self._attribute, (COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR))
        return Gpu(name.value.decode(), (major, minor))

    def allocate(self, n_bytes: int) -> int:
        """Address of that much of the GPU's memory."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(n_bytes))
        return address.value

    def free(self, address: int) -> None:
        """Give back what `allocate` gave."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def upload(self, address: int, array: npt.NDArray[Any]) -> None:
        """Copy an array of any shape to the GPU."""
        rows = np.ascontiguousarray(array)
        source = ctypes.c_void_p(rows.ctypes.data)
        self._call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), source, ctypes.c_size_t(rows.nbytes))

    def download(self, address: int, array: npt.NDArray[Any]) -> None:
        """Fill a contiguous array of any shape from the GPU."""
        target = ctypes.c_void_p(array.ctypes.data)
        self._call("cuMemcpyDtoH_v2", target, ctypes.c_uint64(address), ctypes.c_size_t(array.nbytes))

    def synchronize(self) -> None:
        """Wait for all work on the stream."""
        self._call("cuStreamSynchronize", ctypes.c_void_p(self.stream))

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), self._device)
        return value.value

    def _call(self, function: str, *arguments: Any) -> None:
        if code := getattr(self._driver, function)(*arguments):
            raise PlanError(f"no usable GPU: {function}: {self._describe(code)}")

    def _describe(self, code: int) -> str:
        words = ctypes.c_char_p()
        self._driver.cuGetErrorString(ctypes.c_int(code), ctypes.byref(words))
        return (words.value or b"error %d" % code).decode()


def _load_driver() -> Any:
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise PlanError(f"no usable GPU: the driver's {LIBRARY} cannot be loaded ({error})") from error
