"""One run: posts are made, rows are measured in turn, several rounds, then their latencies."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sluice import __version__
from sluice.bench.agreement import compare
from sluice.bench.measure import Bench
from sluice.bench.media import write_media
from sluice.bench.names import RowName
from sluice.bench.posts import Mix, files_of, make_posts
from sluice.bench.report import STRICT, BenchReport, RowReport
from sluice.bench.servers import LIMITS, Servers
from sluice.bench.trace import Arrivals
from sluice.errors import SluiceError, StackError
from sluice.schema import Post

N_WARM_UP = 120
WARM_UP_SEED, LATENCY_SEED, SOAK_SEED = 1_000_003, 1_000_033, 1_000_037
"""Added to the seed: posts that no round has."""
LATENCY_ROWS = tuple(row for row in RowName if row not in (*LIMITS, RowName.sluice_whole, RowName.aiokafka_32bit))
LOADS = (0.5, 0.7, 0.9)
SPARE_SHARE = 1.2
"""More posts than a schedule is expected to send."""
N_IDLE = 400

Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchConfig:
    """What to measure.

    Attributes
    ----------
    rows : sequence of RowName
    n_rounds : int
    seconds : float
        Of each load.
    n_posts : int
        Of a round, at most.
    loads : sequence of float
        Shares of a row's capacity at which its latency is measured; empty for none.
    soak_minutes : float
        At full load at the end, for the slope of memory; 0 for none.
    profile : Path or None
        Takes a flame graph of the worker.
    """

    mix: Mix
    rows: Sequence[RowName]
    n_rounds: int
    seconds: float
    n_posts: int
    seed: int
    loads: Sequence[float] = LOADS
    arrivals: Arrivals = "poisson"
    soak_minutes: float = 0.0
    profile: Path | None = None


def run_bench(config: BenchConfig, state_dir: Path, media: Path, say: Say) -> BenchReport:
    """Run it; `say` receives a line for each thing that is begun or done.

    Parameters
    ----------
    media : Path
        Keeps pictures and clips from one run to the next.

    Raises
    ------
    StackError
        A server could not be started. A row that cannot run is a problem of the report instead.
    """
    posts = _Posts(config, media, say)
    rounds = [posts.make(config.seed + n, config.n_posts) for n in range(config.n_rounds)]
    warm_up = posts.make(config.seed + WARM_UP_SEED, N_WARM_UP)
    say("starting servers")
    with Servers(state_dir, media, config.rows) as servers:
        run = _Run(config, Bench(servers, config.seconds, warm_up), say)
        for number, made in enumerate(rounds, 1):
            for row in run.report.rows:
                run.measure_capacity(row, number, made)
        for row in run.report.rows:
            run.measure_latency(row, posts)
        run.finish(posts)
    return run.report


@dataclass(frozen=True)
class _Posts:
    config: BenchConfig
    media: Path
    say: Say

    def make(self, seed: int, n_posts: int) -> list[Post]:
        """Posts, and the files that they refer to."""
        posts = make_posts(n_posts, seed, self.config.mix, self.media)
        n_written = sum(1 for _ in write_media(self.media, files_of(posts), os.cpu_count() or 1))
        if n_written:
            self.say(f"drew {n_written} pictures and clips")
        return posts


class _Run:
    def __init__(self, config: BenchConfig, bench: Bench, say: Say) -> None:
        self._config = config
        self._bench = bench
        self._say = say
        self._answers: dict[str, bytes] = {}
        self.report = BenchReport(describe_setting(config), [RowReport(row) for row in config.rows])

    def measure_capacity(self, row: RowReport, number: int, posts: Sequence[Post]) -> None:
        """A round of a row; one that has failed is not tried again."""
        if row.failure:
            return
        try:
            if row.name in LIMITS:
                found, self.report.curves[row.name] = self._bench.measure_limit(
                    row.name, posts, self.report.curves.get(row.name)
                )
            else:
                found = self._bench.measure_capacity(row.name, posts, self._profile_of(row, number))
        except SluiceError as error:
            row.failure = str(error)
            self._say(f"round {number}  {row.name:<16} failed: {error}")
            return
        row.rounds.append(found)
        self._say(f"round {number}  {row.name:<16} {found.posts_per_s:8.1f} posts/s")
        if number == 1:
            self._compare(row)

    def measure_latency(self, row: RowReport, posts: _Posts) -> None:
        """Latencies of a row at shares of its own capacity."""
        loads = self._config.loads
        if not loads or row.failure or row.name not in LATENCY_ROWS:
            return
        n_posts = N_IDLE + round(SPARE_SHARE * sum(loads) * row.posts_per_s * self._config.seconds)
        made = posts.make(self._config.seed + LATENCY_SEED, n_posts)
        try:
            row.latencies = self._bench.measure_latency(row.name, made, row.posts_per_s, loads, self._config.arrivals)
        except SluiceError as error:
            row.failure = str(error)
        for each in row.latencies:
            self._say(f"load {each.load:4.0%}  {row.name:<16} p50 {each.p50_ms:.0f} ms, p99 {each.p99_ms:.0f} ms")

    def finish(self, posts: _Posts) -> None:
        """The soak, if one is wanted."""
        minutes = self._config.soak_minutes
        if not minutes:
            return
        self._say(f"full load for {minutes:g} minutes")
        made = posts.make(self._config.seed + SOAK_SEED, self._config.n_posts)
        self.report.slopes = self._bench.measure_memory(self._soaked(), made, minutes * 60)

    def _soaked(self) -> RowName:
        """The first row of Sluice's."""
        found = next((row for row in self._config.rows if row.startswith("sluice")), None)
        if found is None:
            raise StackError("--soak needs one of Sluice's rows")
        return found

    def _profile_of(self, row: RowReport, number: int) -> Path | None:
        folder = self._config.profile
        return folder / f"profile-{row.name}.svg" if folder and number == 1 and row.name.startswith("sluice") else None

    def _compare(self, row: RowReport) -> None:
        """The first strict row is what the others are compared with."""
        answers = dict(row.rounds[0].answers)
        if not self._answers and row.name in STRICT:
            self._answers = answers
        if self._answers and answers:
            row.agreement = compare(self._answers, answers)


def describe_setting(config: BenchConfig) -> dict[str, object]:
    """What the figures depend on."""
    return {
        "mix": str(config.mix),
        "shares": asdict(config.mix),
        "n_cores": os.cpu_count() or 1,
        "seed": config.seed,
        "rounds": config.n_rounds,
        "seconds": config.seconds,
        "arrivals": config.arrivals,
        "machine": f"{os.cpu_count()} cores, {read_processor()}",
        "python": platform.python_version(),
        "versions": {"sluice": __version__, **dict(_versions())},
    }


def read_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, or the machine's kind where there is no such file."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions() -> Iterator[tuple[str, str]]:
    for package in ("onnxruntime", "nvidia-pytriton", "faust-streaming", "aiokafka", "fastapi", "confluent-kafka"):
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "absent"
