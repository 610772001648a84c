"""Builds TensorRT plans from the ONNX models, on the GPU that will serve them: ``python -m sluice_models.plan``."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from sluice.cache import cache_dir
from sluice_models.config import MODEL_NAMES, TRITON_REPO, ModelName
from sluice_models.console import report_errors
from sluice_models.plans.build import BuildRequest, Precision, build_plan, load_tensorrt, put
from sluice_models.plans.cuda import Cuda
from sluice_models.plans.profiles import PROFILES, PlanError
from sluice_models.plans.run import TOLERANCE, PlanRunner, Timing, benchmark, compare, is_close, reference

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""In the order in which they are tried: single precision where half is too rough."""


class Record(msgspec.Struct):
    """What is kept beside a plan: how it was made, and how far it is from single precision (None: not checked)."""

    key: str
    precision: Precision
    build_s: float
    differences: dict[str, float] | None


class Report(msgspec.Struct):
    """A line of ``--json``."""

    model: ModelName
    plan: str
    built: bool
    record: Record
    benchmark: list[Timing] | None


@dataclass(frozen=True)
class PlanBuilder:
    """What every build needs.

    Attributes
    ----------
    tensorrt : module
    cuda : Cuda
    folder : Path
        Of plans by key, their records, and the timing cache.
    """

    tensorrt: Any
    cuda: Cuda
    folder: Path
    console: Console

    @property
    def place(self) -> str:
        """The part of a key that names GPU and TensorRT."""
        gpu = self.cuda.gpu
        card = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-")
        return f"{card}-sm{gpu.capability[0]}{gpu.capability[1]}-trt{self.tensorrt.__version__}"

    def key(self, name: ModelName, onnx_file: Path) -> str:
        """Changes with the GPU, its compute capability, TensorRT, the model, and the shapes it is built for."""
        digest = hashlib.sha256(onnx_file.read_bytes() + repr(PROFILES[name]).encode()).hexdigest()
        return f"{name}-{self.place}-{digest[:16]}"

    def build(self, name: ModelName, onnx_file: Path, check: bool) -> tuple[bytes, Record]:
        """A plan in half precision, or in single if half is further off than `TOLERANCE`; raises `PlanError`."""
        for precision in PRECISIONS:
            plan, build_s = self._build(
                BuildRequest(name, onnx_file, precision, self.folder / f"timings-{self.place}.cache")
            )
            differences = self.check(name, onnx_file, plan) if check else None
            if differences is None or is_close(differences):
                return plan, Record(self.key(name, onnx_file), precision, round(build_s, 1), differences)
            self.console.print(f"{name}: {precision} is off by {differences}, allowed is {TOLERANCE}")
        raise PlanError(f"{name}: no plan computes what the model computes")

    def check(self, name: ModelName, onnx_file: Path, plan: bytes) -> dict[str, float]:
        """How far a plan is from the model in single precision, per output."""
        return compare(name, PlanRunner(self.tensorrt, plan, self.cuda), reference(onnx_file))

    def _build(self, request: BuildRequest) -> tuple[bytes, float]:
        self.console.print(f"{request.name}: building in {request.precision}; this takes minutes")
        start_s = time.monotonic()
        with Progress(console=self.console, transient=True) as progress:
            plan = build_plan(self.tensorrt, request, progress)
        return plan, time.monotonic() - start_s


def provide_plan(builder: PlanBuilder, name: ModelName, version: Path, check: bool, force: bool) -> Report:
    """Put the plan of this GPU beside ``model.onnx``; built only if none is kept under its key. Raises `PlanError`."""
    onnx_file = version / "model.onnx"
    if not onnx_file.is_file():
        raise PlanError(f"{onnx_file} does not exist; run python -m sluice_models.export")
    kept = builder.folder / builder.key(name, onnx_file)
    plan_file, record_file = kept.with_name(f"{kept.name}.plan"), kept.with_name(f"{kept.name}.json")
    record = _read_record(plan_file, record_file, check)
    built = force or record is None
    if force or record is None:
        plan, record = builder.build(name, onnx_file, check)
        put(plan_file, plan)
        put(record_file, msgspec.json.encode(record))
    put(version / "model.plan", plan_file.read_bytes())
    return Report(name, str(version / "model.plan"), built, record, None)


def _read_record(plan_file: Path, record_file: Path, check: bool) -> Record | None:
    """What is known of a kept plan; None if there is none, or none that was checked though that is asked for."""
    try:
        record = msgspec.json.decode(record_file.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None
    return record if plan_file.is_file() and (record.differences is not None or not check) else None


def _say(report: Report, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
        return
    record = report.record
    how = f"built in {record.build_s:.0f} s" if report.built else "kept from an earlier run"
    typer.echo(f"{report.model}: {record.precision}, {how}, {_describe(record.differences)}")
    for row in report.benchmark or ():
        speed = f"p50 {row.p50_ms:.2f} ms, p99 {row.p99_ms:.2f} ms, {row.rows_per_s:.0f} rows/s"
        typer.echo(f"  batch {row.batch:3}: {speed}")


def _describe(differences: dict[str, float] | None) -> str:
    if differences is None:
        return "not checked"
    return "off by " + ", ".join(f"{output} {difference:.1e}" for output, difference in differences.items())


def main(
    repository: Annotated[Path, typer.Option(help="The Triton model repository.")] = TRITON_REPO,
    only: Annotated[list[str] | None, typer.Option(help="Only this model; may be repeated.")] = None,
    cache: Annotated[
        Path | None, typer.Option(envvar="SLUICE_CACHE", help="Where plans and timings are kept.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option(help="Build also what is kept for this GPU, TensorRT and model.")] = False,
    check: Annotated[bool, typer.Option(help="Compare each plan with the model in single precision.")] = True,
    benchmarks: Annotated[bool, typer.Option("--benchmark", help="Report latency and throughput by batch.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per model on stdout.")] = False,
) -> None:
    """Write 1/model.plan beside every 1/model.onnx, for the GPU of this machine and its TensorRT 10."""
    with report_errors():
        names = _choose(only)
        tensorrt = load_tensorrt()
        builder = PlanBuilder(tensorrt, Cuda(), (cache or cache_dir()) / "plans", Console(stderr=True))
        for name in names:
            version = repository / name / "1"
            report = provide_plan(builder, name, version, check, force)
            if benchmarks:
                runner = PlanRunner(tensorrt, (version / "model.plan").read_bytes(), builder.cuda)
                report.benchmark = benchmark(name, runner)
            _say(report, as_json)


def _choose(only: list[str] | None) -> list[ModelName]:
    if strange := set(only or ()) - set(MODEL_NAMES):
        raise PlanError(f"--only: {', '.join(sorted(strange))} is none of {', '.join(MODEL_NAMES)}")
    return [name for name in MODEL_NAMES if not only or name in only]


if __name__ == "__main__":
    typer.run(main)
