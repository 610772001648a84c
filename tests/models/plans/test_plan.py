"""The building, checking and keeping of TensorRT plans; the real ones need a GPU, these have a fake one."""

import importlib.util
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from rich.progress import Progress
from typer import Typer
from typer.testing import CliRunner

from sluice.contract import Size
from sluice_models import plan
from sluice_models.config import MODEL_NAMES, FusionNetwork
from sluice_models.export import export_model, sample_inputs
from sluice_models.networks.fusion import Fusion
from sluice_models.plans import build as plan_build
from sluice_models.plans import cuda
from sluice_models.plans import profiles as plan_profiles
from sluice_models.plans import run as plan_run

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def load_fake():
    spec = importlib.util.spec_from_file_location("fake_tensorrt", Path(__file__).with_name("fake_tensorrt.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fake = load_fake()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_model("fusion", Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)), file)
    return file


@pytest.fixture
def repository(exported, tmp_path):
    version = tmp_path / "repository" / "fusion" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(exported.read_bytes())
    return tmp_path / "repository"


@pytest.fixture
def run(monkeypatch, repository, tmp_path):
    """The command on a machine with a GPU and TensorRT; it compares plans on few rows."""
    monkeypatch.setattr(plan_run, "CHECKED_BATCHES", ((2, Size.SMALLEST), (3, Size.USUAL)))
    app = Typer()
    app.command()(plan.main)

    def run(*options, tensorrt=None, memory=None):
        monkeypatch.setattr(plan, "load_tensorrt", lambda: tensorrt or fake.FakeTensorRT())
        monkeypatch.setattr(plan, "Cuda", lambda: memory or fake.Memory())
        folders = ["--repository", str(repository), "--cache", str(tmp_path / "cache")]
        return CliRunner().invoke(app, ["--only", "fusion", "--json", *folders, *options])

    return run


def read(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_plan_is_built_in_half_precision_checked_and_put_beside_the_model(run, repository):
    tensorrt = fake.FakeTensorRT()
    line = read(run(tensorrt=tensorrt))
    assert line["built"]
    assert line["record"]["precision"] == "fp16"
    assert line["record"]["differences"] == {"logits": pytest.approx(0, abs=1e-6), "severity": 0}
    assert (repository / "fusion" / "1" / "model.plan").read_bytes().startswith(b"fp16")
    (profile,) = tensorrt.builds[0].profiles
    assert profile.shapes == plan_profiles.PROFILES["fusion"]


def test_the_plan_of_the_same_gpu_version_and_model_is_kept(run, repository):
    first = read(run())
    (repository / "fusion" / "1" / "model.plan").unlink()
    tensorrt = fake.FakeTensorRT()
    second = read(run(tensorrt=tensorrt))
    assert not second["built"]
    assert not tensorrt.builds
    assert second["record"] == first["record"]
    assert (repository / "fusion" / "1" / "model.plan").is_file()
    assert read(run("--force"))["built"]


def test_another_gpu_version_or_model_has_another_plan(run, repository, monkeypatch):
    keys = [read(run())["record"]["key"]]
    keys.append(read(run(memory=fake.Memory("NVIDIA L4", (8, 9))))["record"]["key"])
    newer = fake.FakeTensorRT()
    newer.__version__ = "10.12.0.36"
    keys.append(read(run(tensorrt=newer))["record"]["key"])
    torch.manual_seed(1)
    version = repository / "fusion" / "1"
    export_model("fusion", Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)), version / "model.onnx")
    keys.append(read(run())["record"]["key"])
    assert len(set(keys)) == 4
    assert keys[0].startswith("fusion-nvidia-h100-80gb-hbm3-sm90-trt10.11.0.33-")


def test_a_plan_that_was_not_checked_is_built_anew_when_a_check_is_wanted(run):
    assert read(run("--no-check"))["record"]["differences"] is None
    assert read(run())["record"]["differences"]
    assert not read(run("--no-check"))["built"]


def test_where_half_precision_is_too_rough_single_precision_serves(run):
    line = read(run(tensorrt=fake.FakeTensorRT(fp16_error=1.0)))
    assert line["record"]["precision"] == "fp32"


@pytest.mark.parametrize("error", [5.0, math.nan])
def test_a_plan_that_computes_something_else_is_refused(run, repository, error):
    result = run(tensorrt=fake.FakeTensorRT(fp16_error=error, fp32_error=error))
    assert result.exit_code == 1
    assert "no plan computes what the model computes" in result.output
    assert not (repository / "fusion" / "1" / "model.plan").exists()


def test_what_was_measured_in_one_build_is_there_in_the_next(run, tmp_path):
    run()
    (timings,) = (tmp_path / "cache" / "plans").glob("timings-*.cache")
    assert timings.read_bytes() == b"+measured"
    run("--force")
    assert timings.read_bytes() == b"+measured+measured"


def test_measurements_of_another_gpu_are_not_used(run, tmp_path):
    run()
    (timings,) = (tmp_path / "cache" / "plans").glob("timings-*.cache")
    timings.write_bytes(b"of another GPU")
    read(run("--force"))
    assert timings.read_bytes() == b"+measured"


def test_a_plan_is_held_against_the_model_in_every_shape_of_its_profile(exported):
    runner = plan_run.PlanRunner(fake.FakeTensorRT(), b"fp16" + exported.read_bytes(), fake.Memory())
    assert {size for _, size in plan_run.CHECKED_BATCHES} == set(Size)
    differences = plan_run.compare("fusion", runner, plan_run.reference(exported))
    assert differences == {"logits": pytest.approx(0, abs=1e-6), "severity": 0}


def test_the_benchmark_has_a_row_per_batch(run, monkeypatch):
    monkeypatch.setattr(plan_run, "N_WARM_UP", 1)
    monkeypatch.setattr(plan_run, "N_TIMED", 3)
    memory = fake.Memory()
    rows = read(run("--benchmark", memory=memory))["benchmark"]
    assert [row["batch"] for row in rows] == [1, 2, 4, 8, 16, 32, 64]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["rows_per_s"] > 0
    assert memory.n_waits >= len(rows) * 4
    assert not memory.held


def test_without_json_a_person_can_read_it(monkeypatch, repository, tmp_path, run):
    monkeypatch.setattr(plan_run, "N_WARM_UP", 1)
    monkeypatch.setattr(plan_run, "N_TIMED", 2)
    app = Typer()
    app.command()(plan.main)
    run()
    folders = ["--repository", str(repository), "--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(app, ["--only", "fusion", "--benchmark", *folders])
    assert "fusion: fp16, kept from an earlier run, off by logits" in result.output
    assert "batch  64: p50" in result.output


def test_a_plan_of_another_version_cannot_be_loaded():
    with pytest.raises(plan_profiles.PlanError, match="cannot load"):
        plan_run.PlanRunner(fake.FakeTensorRT(), b"????", fake.Memory())


def test_a_batch_beyond_the_profile_is_refused_and_its_memory_given_back(exported):
    memory = fake.Memory()
    runner = plan_run.PlanRunner(fake.FakeTensorRT(), b"fp16" + exported.read_bytes(), memory)
    with pytest.raises(plan_profiles.PlanError, match="no shape"):
        runner.run(plan_profiles.sample_rows("fusion", runner.inputs, 65))
    assert not memory.held


def test_a_model_that_tensorrt_cannot_read_is_named(run, repository):
    (repository / "fusion" / "1" / "model.onnx").write_bytes(b"not a model")
    result = run()
    assert result.exit_code == 1
    assert "fusion: In node -1" in result.output


def test_without_a_model_the_command_says_what_to_run(run, repository):
    (repository / "fusion" / "1" / "model.onnx").unlink()
    result = run()
    assert result.exit_code == 1
    assert "python -m sluice_models.export" in result.output.replace("\n", " ")


class RefusingTensorRT:
    """TensorRT where CUDA does not start: its builder raises what the real bindings raise."""

    Logger = fake.Logger

    class Builder:
        def __init__(self, logger):
            raise TypeError("pybind11::init(): factory function returned nullptr")


def test_without_a_gpu_the_plan_says_so(tmp_path):
    request = plan_build.BuildRequest("fusion", tmp_path / "model.onnx", "fp16", tmp_path / "timings")
    with pytest.raises(plan_profiles.PlanError, match="no usable GPU"):
        plan_build.build_plan(RefusingTensorRT, request, Progress(console=Console(quiet=True)))


def test_without_tensorrt_the_command_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(plan_build, "MODULES", ("no_such_tensorrt",))
    app = Typer()
    app.command()(plan.main)
    result = CliRunner().invoke(app, ["--repository", str(tmp_path)])
    assert result.exit_code == 1
    assert "TensorRT cannot be loaded (no_such_tensorrt: " in result.output


def test_a_version_without_the_choice_of_half_precision_is_refused(monkeypatch):
    newer = fake.FakeTensorRT()
    newer.__version__ = "11.4.0.106"
    monkeypatch.setitem(sys.modules, "tensorrt", newer)
    with pytest.raises(plan_profiles.PlanError, match=r"TensorRT 10 is needed, 11\.4"):
        plan_build.load_tensorrt()


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("size", Size)
def test_profiles_and_samples_fit_the_inputs_of_the_exported_models(name, size):
    inputs = sample_inputs(name, 1)
    profile = plan_profiles.describe_profile(name, inputs)
    rows = plan_profiles.sample_rows(name, inputs, 2, size)
    assert list(profile) == list(rows) == list(inputs)
    for tensor, shapes in profile.items():
        assert all(len(shape) == inputs[tensor].ndim for shape in shapes)
        assert all(a <= b <= c for a, b, c in zip(*shapes, strict=True))
        assert rows[tensor].dtype == inputs[tensor].numpy().dtype
        assert rows[tensor].shape == (2, *shapes[size][1:])


def test_the_command_needs_nothing_that_tritons_image_lacks():
    dockerfile = Path("ops/docker/triton.Dockerfile").read_text("utf-8")
    (installed,) = re.findall(r"FROM base AS gpu\nRUN pip install -c \S+ ([\w ]+) \\", dockerfile)
    brought = {"numpy", "msgspec", "onnxruntime", "yaml", "typer"}
    serving = {"rapidocr"}  # text in pictures is read on the CPU there too
    assert {name.lower().replace("pyyaml", "yaml") for name in installed.split()} == brought | serving
    code = (
        "import sys, runpy\n"
        "for name in sys.argv.pop(1).split(','): sys.modules[name] = None\n"
        "runpy.run_module('sluice_models.plan', run_name='__main__')"
    )
    lacking = "torch,onnx,tokenizers,transformers,safetensors,PIL,librosa,soundfile,soxr,scipy,zstandard,matplotlib"
    command = [sys.executable, "-c", code, lacking, "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--benchmark" in result.stdout


def test_an_input_that_is_none_of_ours_is_named():
    with pytest.raises(plan_profiles.PlanError, match="token_type_ids"):
        plan_profiles.describe_profile("text_encoder", ["input_ids", "token_type_ids"])


class Driver:
    """The CUDA driver's library; `failing` is the function that returns an error."""

    def __init__(self, failing=None):
        self._failing = failing

    def cuDeviceGetName(self, name, n_bytes, device):
        name.value = b"NVIDIA L4"
        return 0

    def cuDeviceGetAttribute(self, value, number, device):
        value._obj.value = {75: 8, 76: 9}[number.value]
        return 0

    def cuMemAlloc_v2(self, address, n_bytes):
        address._obj.value = 2**40 + n_bytes.value
        return 0

    def cuGetErrorString(self, code, words):
        words._obj.value = b"no CUDA-capable device is detected"
        return 0

    def __getattr__(self, function):
        return lambda *arguments: 100 if function == self._failing else 0


def test_the_driver_says_what_the_gpu_is():
    device = cuda.Cuda(Driver())
    assert device.gpu == cuda.Gpu("NVIDIA L4", (8, 9))
    assert device.allocate(12) == 2**40 + 12
    device.upload(1, np.zeros(3))
    device.download(1, np.zeros(3))
    device.synchronize()
    device.free(1)


def test_the_drivers_own_words_are_passed_on():
    with pytest.raises(plan_profiles.PlanError, match="no usable GPU: cuInit: no CUDA-capable device"):
        cuda.Cuda(Driver("cuInit"))


def test_without_a_driver_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(cuda, "LIBRARY", "libno_such_cuda.so.1")
    with pytest.raises(plan_profiles.PlanError, match="cannot be loaded"):
        cuda.Cuda()
