"""How a plan is run, compared and measured; its engine here is a function on arrays."""

from __future__ import annotations

import types

import numpy as np
import pytest

from sluice.contract import SPECS
from sluice_models.plans import run as plan_run
from sluice_models.plans.profiles import PlanError
from sluice_models.plans.run import BATCHES, CHECKED_BATCHES, TOLERANCE, PlanRunner, benchmark, compare, is_close

FUSION_INPUTS = [tensor.name for tensor in SPECS["fusion"].inputs]


class StubRunner:
    """Stands for a `PlanRunner`: outputs from a function, times from a list."""

    inputs = FUSION_INPUTS

    def __init__(self, run=None, times_s=()) -> None:
        self.asked: list[dict] = []
        self._run = run
        self._times_s = list(times_s)

    def run(self, inputs):
        self.asked.append(inputs)
        return self._run(inputs)

    def measure(self, inputs):
        self.asked.append(inputs)
        return self._times_s


def outputs(logits=0.0, severity=0.25, tokens=1.0):
    def run(inputs):
        n_rows = len(next(iter(inputs.values())))
        return {
            "logits": np.full((n_rows, 3), logits, np.float32),
            "severity": np.full((n_rows, 3), severity, np.float32),
            "tokens": np.full((n_rows, 4), tokens, np.float32),
        }

    return run


def test_a_plan_that_computes_the_same_differs_nowhere() -> None:
    assert compare("fusion", StubRunner(outputs()), outputs()) == {"logits": 0, "severity": 0, "tokens": 0}


def test_every_shape_that_is_checked_is_run_on_both() -> None:
    runner, asked = StubRunner(outputs()), []

    def expected(inputs):
        asked.append(inputs)
        return outputs()(inputs)

    compare("fusion", runner, expected)
    assert [len(rows["mask"]) for rows in runner.asked] == [n_rows for n_rows, _ in CHECKED_BATCHES]
    assert all(ours is theirs for ours, theirs in zip(runner.asked, asked, strict=True))


def test_logits_are_compared_as_probabilities() -> None:
    found = compare("fusion", StubRunner(outputs(logits=30.0)), outputs(logits=40.0))
    assert found["logits"] == pytest.approx(0, abs=1e-6)
    found = compare("fusion", StubRunner(outputs(logits=0.0)), outputs(logits=np.log(3.0)))
    assert found["logits"] == pytest.approx(0.25, abs=1e-6)


def test_the_largest_difference_over_all_shapes_counts() -> None:
    apart = iter((0.0, 0.5, 0.1))

    def run(inputs):
        return outputs(severity=0.25 + next(apart))(inputs)

    assert compare("fusion", StubRunner(run), outputs())["severity"] == pytest.approx(0.5)


@pytest.mark.parametrize("place", range(len(CHECKED_BATCHES)))
def test_what_is_no_number_in_one_shape_is_not_forgotten(place: int) -> None:
    values = iter([np.nan if number == place else 0.25 for number in range(len(CHECKED_BATCHES))])
    found = compare("fusion", StubRunner(lambda inputs: outputs(severity=next(values))(inputs)), outputs())
    assert np.isnan(found["severity"])
    assert not is_close(found)


@pytest.mark.parametrize(
    ("differences", "close"),
    [
        ({"logits": TOLERANCE, "severity": TOLERANCE}, True),
        ({"logits": TOLERANCE * 1.01}, False),
        ({"logits": 0.0, "severity": TOLERANCE * 1.01}, False),
        ({"tokens": 5.0}, True),
        ({"tokens": float("nan")}, False),
        ({"logits": float("nan")}, False),
        ({"logits": 0.0, "token_scores": 0.5}, False),
    ],
)
def test_a_plan_may_serve_if_everything_but_tokens_is_close(differences: dict[str, float], close: bool) -> None:
    assert is_close(differences) is close


def test_the_benchmark_says_milliseconds_and_rows_a_second() -> None:
    runner = StubRunner(times_s=[0.002] * 99 + [0.102])
    rows = benchmark("fusion", runner)
    assert [row.batch for row in rows] == [*BATCHES, 64]
    assert {row.p50_ms for row in rows} == {2.0}
    assert all(2.0 < row.p99_ms < 102.0 for row in rows)
    assert rows[3].rows_per_s == pytest.approx(8 / 0.003, rel=1e-3)
    assert [len(inputs["mask"]) for inputs in runner.asked] == [row.batch for row in rows]


def test_no_batch_beyond_the_contract_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    small = types.SimpleNamespace(max_rows=8)
    monkeypatch.setattr(plan_run, "SPECS", {**SPECS, "fusion": small})
    assert [row.batch for row in benchmark("fusion", StubRunner(times_s=[0.001]))] == [1, 2, 4, 8]


class StubMemory:
    """Counts what is held."""

    stream = 3

    def __init__(self) -> None:
        self.held: set[int] = set()
        self.n_given = 0

    def allocate(self, n_bytes: int) -> int:
        self.n_given += 1
        self.held.add(self.n_given)
        return self.n_given

    def free(self, address: int) -> None:
        self.held.remove(address)

    def upload(self, address: int, array) -> None:
        assert address in self.held

    def download(self, address: int, array) -> None:
        array[...] = address

    def synchronize(self) -> None:
        assert self.held


class StubContext:
    """An execution context with one input ``x`` and one output ``y`` of as many rows."""

    def __init__(self, executes: bool) -> None:
        self._executes = executes
        self.streams: list[int] = []

    def set_input_shape(self, name, shape):
        self._shape = shape
        return shape[0] <= 4

    def get_tensor_shape(self, name):
        return self._shape

    def set_tensor_address(self, name, address):
        return True

    def execute_async_v3(self, stream):
        self.streams.append(stream)
        return self._executes


def make_runner(memory: StubMemory, executes: bool = True, loads: bool = True) -> tuple[PlanRunner, StubContext]:
    context = StubContext(executes)
    engine = types.SimpleNamespace(
        num_io_tensors=2,
        get_tensor_name=lambda index: "xy"[index],
        get_tensor_mode=lambda name: {"x": "input", "y": "output"}[name],
        get_tensor_dtype=lambda name: "float",
        create_execution_context=lambda: context,
    )
    tensorrt = types.SimpleNamespace(
        Logger=types.SimpleNamespace(WARNING=1, __call__=None),
        TensorIOMode=types.SimpleNamespace(INPUT="input"),
        nptype=lambda kind: np.float32,
    )
    tensorrt.Logger = type("Logger", (), {"WARNING": 1, "__init__": lambda self, level: None})
    runtime = types.SimpleNamespace(deserialize_cuda_engine=lambda plan: engine if loads else None)
    tensorrt.Runtime = lambda logger: runtime
    return PlanRunner(tensorrt, b"plan", memory), context


def test_a_run_uses_the_gpus_stream_and_leaves_nothing_on_it() -> None:
    memory = StubMemory()
    runner, context = make_runner(memory)
    assert runner.inputs == ["x"]
    found = runner.run({"x": np.ones((2, 3), np.float64)})
    assert found["y"].shape == (2, 3)
    assert found["y"].dtype == np.float32
    assert context.streams == [StubMemory.stream]
    assert memory.held == set()


def test_a_run_that_fails_gives_its_memory_back() -> None:
    memory = StubMemory()
    runner, _ = make_runner(memory, executes=False)
    with pytest.raises(PlanError, match="could not run the plan"):
        runner.run({"x": np.ones((2, 3), np.float32)})
    assert (memory.held, memory.n_given) == (set(), 2)


def test_a_shape_outside_the_profile_is_named_and_takes_no_memory() -> None:
    memory = StubMemory()
    runner, _ = make_runner(memory)
    with pytest.raises(PlanError, match=r"x: the plan's profile has no shape \(5, 3\)"):
        runner.run({"x": np.ones((5, 3), np.float32)})
    assert memory.n_given == 0


def test_a_measurement_warms_up_and_keeps_its_rows_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_run, "N_WARM_UP", 2)
    monkeypatch.setattr(plan_run, "N_TIMED", 3)
    memory = StubMemory()
    runner, context = make_runner(memory)
    times_s = runner.measure({"x": np.ones((1, 3), np.float32)})
    assert len(times_s) == 3
    assert min(times_s) >= 0
    assert len(context.streams) == 5
    assert (memory.n_given, memory.held) == (2, set())


def test_a_plan_that_cannot_be_loaded_says_so() -> None:
    with pytest.raises(PlanError, match="cannot load the plan"):
        make_runner(StubMemory(), loads=False)


def test_without_the_reference_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PlanError, match=r"onnxruntime is not installed.*--no-check"):
        plan_run.reference(tmp_path / "model.onnx")
