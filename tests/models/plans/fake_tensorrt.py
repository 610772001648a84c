"""TensorRT 10's Python API and a GPU's memory, as far as plans use them, over ONNX Runtime: a plan is the ONNX file.

Names, arguments and results are those of the real bindings; what they refuse, this refuses.
"""

import ctypes
import types
from functools import lru_cache

import numpy as np
import onnxruntime

NUMPY_TYPES = {
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(bool)": np.bool_,
}


class Memory:
    """Host memory that plays the GPU's."""

    stream = 7

    def __init__(self, name="NVIDIA H100 80GB HBM3", capability=(9, 0)):
        self.gpu = types.SimpleNamespace(name=name, capability=capability)
        self.held = {}
        self.n_waits = 0

    def allocate(self, n_bytes):
        block = ctypes.create_string_buffer(n_bytes)
        self.held[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def free(self, address):
        del self.held[address]

    def upload(self, address, array):
        assert array.flags.c_contiguous
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, address, array):
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def synchronize(self):
        self.n_waits += 1


class Tensor:
    def __init__(self, name):
        self.name = name


class Network:
    def __init__(self):
        self.session = None
        self.content = b""

    @property
    def num_inputs(self):
        return len(self.session.get_inputs())

    def get_input(self, index):
        return Tensor(self.session.get_inputs()[index].name)


class OnnxParser:
    num_errors = 1

    def __init__(self, network, logger):
        self._network = network
        self._error = None

    def parse_from_file(self, path):
        try:
            self._network.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:
            self._error = error
            return False
        with open(path, "rb") as file:
            self._network.content = file.read()
        return True

    def get_error(self, index):
        return f"In node -1 (importModel): {type(self._error).__name__}"


class TimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return memoryview(self.content + b"+measured")


class Profile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):
        assert len(min) == len(opt) == len(max)
        self.shapes[input] = (min, opt, max)


class BuilderConfig:
    progress_monitor = None

    def __init__(self):
        self.flags = set()
        self.profiles = []
        self._cache = None

    def set_memory_pool_limit(self, pool, pool_size):
        assert pool_size > 0

    def set_flag(self, flag):
        self.flags.add(flag)

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        return TimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache.content.startswith(b"of another GPU"):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self):
        return self._cache


class Engine:
    """Runs the ONNX file of a plan; `error` is added to its logits, as half precision might."""

    def __init__(self, content, error):
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.error = error
        self._inputs = {tensor.name: tensor.type for tensor in self.session.get_inputs()}
        self._tensors = self._inputs | {tensor.name: tensor.type for tensor in self.session.get_outputs()}

    @property
    def num_io_tensors(self):
        return len(self._tensors)

    def get_tensor_name(self, index):
        return list(self._tensors)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return self._tensors[name]

    def create_execution_context(self):
        return ExecutionContext(self)

    @lru_cache(maxsize=16)  # noqa: B019  (an engine lives as long as its test)
    def output_shapes(self, input_shapes):
        inputs = {name: np.zeros(shape, NUMPY_TYPES[self._inputs[name]]) for name, shape in input_shapes}
        names = [tensor.name for tensor in self.session.get_outputs()]
        return {name: array.shape for name, array in zip(names, self.session.run(names, inputs), strict=True)}


class ExecutionContext:
    def __init__(self, engine):
        self._engine = engine
        self._shapes = {}
        self._addresses = {}

    def set_input_shape(self, name, shape):
        self._shapes[name] = tuple(shape)
        return shape[0] <= 64

    def get_tensor_shape(self, name):
        return self._engine.output_shapes(tuple(self._shapes.items()))[name]

    def set_tensor_address(self, name, memory):
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        assert stream_handle == Memory.stream
        inputs = {name: np.empty(shape, self._type(name)) for name, shape in self._shapes.items()}
        for name, array in inputs.items():
            ctypes.memmove(array.ctypes.data, self._addresses[name], array.nbytes)
        for name, array in self._run(inputs).items():
            moved = array + np.float32(self._engine.error if name == "logits" else 0)
            ctypes.memmove(self._addresses[name], moved.ctypes.data, moved.nbytes)
        return True

    def _run(self, inputs):
        names = [tensor.name for tensor in self._engine.session.get_outputs()]
        return dict(zip(names, self._engine.session.run(names, inputs), strict=True))

    def _type(self, name):
        return NUMPY_TYPES[self._engine.get_tensor_dtype(name)]


class TensorIOMode:
    INPUT, OUTPUT = "input", "output"


class Logger:
    WARNING = 1

    def __init__(self, level):
        self.level = level


class ProgressMonitor:
    pass


class FakeTensorRT:
    """The module. `errors` are what plans of a precision add to logits; `builds` are the configurations built."""

    __version__ = "10.11.0.33"
    Logger, OnnxParser, TensorIOMode, IProgressMonitor = Logger, OnnxParser, TensorIOMode, ProgressMonitor
    MemoryPoolType = types.SimpleNamespace(WORKSPACE=0)
    BuilderFlag = types.SimpleNamespace(FP16=0)

    def __init__(self, fp16_error=0.0, fp32_error=0.0):
        self.errors = {"fp16": fp16_error, "fp32": fp32_error}
        self.builds = []

    def Builder(self, logger):
        def build_serialized_network(network, config):
            config.progress_monitor.phase_start("Building", None, 2)
            assert config.progress_monitor.step_complete("Building", 0)
            config.progress_monitor.phase_finish("Building")
            self.builds.append(config)
            precision = b"fp16" if config.flags else b"fp32"
            return memoryview(precision + network.content)

        return types.SimpleNamespace(
            create_network=lambda flags: Network(),
            create_builder_config=BuilderConfig,
            create_optimization_profile=Profile,
            build_serialized_network=build_serialized_network,
        )

    def Runtime(self, logger):
        def deserialize_cuda_engine(plan):
            precision = plan[:4].decode("latin-1")
            return Engine(plan[4:], self.errors[precision]) if precision in self.errors else None

        return types.SimpleNamespace(deserialize_cuda_engine=deserialize_cuda_engine)

    @staticmethod
    def nptype(trt_type):
        return NUMPY_TYPES[trt_type]
