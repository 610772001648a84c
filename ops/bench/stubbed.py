"""What a worker takes by itself: texts through workers on a real Kafka, in front of a Triton that only waits.

The stub speaks Triton's protocol and answers each request after a fixed time, however many come. So what is measured is
the worker: CPU per post, and whether two do twice as much as one. Prints a line per row and round: posts a second, and
milliseconds of CPU per post of the workers, Kafka, the stub and the generator; then the medians of posts a second, as
multiples of the first row's.

``python ops/bench/stubbed.py [--rows one,two,processes] [--rounds 3] [--ms 5] [--alone] [--profile FILE.svg]``

With ``--alone`` the stub says that rows cost less apart: each request then holds one text, and a worker waits for the
stub. Without it a worker waits for its core, and two workers on two cores share them with Kafka and the generator.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tritonclient.grpc import model_config_pb2

from sluice.bench.kafka_load import KafkaLoad
from sluice.bench.measure import Round, summarise
from sluice.bench.posts import make_posts, parse_mix
from sluice.bench.profiling import recording as record
from sluice.bench.remote import Remote
from sluice.bench.trace import Closed
from sluice.bench.usage import UsageWatch
from sluice.config import KafkaConfig, Topics
from sluice.contract import CELL_COST_PARAMETER, LANGUAGES_PARAMETER, REQUEST_COST_PARAMETER
from sluice.kafka import ensure_topics
from sluice.local.broker import EmbeddedBroker
from sluice.local.kafka import NativeKafka
from sluice.local.processes import find_free_ports
from sluice.local.stack import WORKER_COMMAND, Stack, StackConfig
from sluice.resources import triton_repository
from sluice.schema import Post
from tests.kserve import KServe, serving

START_S = 120.0
N_INSTANCES = {"text_encoder": 2}
"""Of each model, as on a machine of two cores; of the others one."""
ROWS = {"one": (1, 1), "two": (2, 1), "processes": (1, 2)}
"""Workers, and processes of each."""
LANGUAGES = "ar,de,en,es,fr,hi,it,ja,ko,pl,pt,ru,tr,vi,zh"


class FixedTime(KServe):
    """Answers each request after so many milliseconds, whatever it holds.

    Parameters
    ----------
    alone : bool
        Say that rows cost less apart: then a worker waits for the stub, and not for its core.
    """

    def __init__(self, ms: float, *, alone: bool) -> None:
        super().__init__()
        self._ms = ms
        self._alone = alone
        self._answers: dict[object, Any] = {}

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802  (as gRPC has it)
        """See `KServe.ModelInfer`; equal shapes have the same answer, made once."""
        key = (request.model_name, *(tuple(given.shape) for given in request.inputs))
        if key not in self._answers:
            self._answers[key] = await super().ModelInfer(request, context)
        await asyncio.sleep(self._ms / 1000)
        return self._answers[key]

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802  (as gRPC has it)
        """See `KServe.ModelConfig`; on a CPU, with as many instances as there would be."""
        response = await super().ModelConfig(request, context)
        config = response.config
        count = N_INSTANCES.get(request.name, 1)
        config.instance_group.add(count=count, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
        config.parameters[LANGUAGES_PARAMETER].string_value = LANGUAGES
        if self._alone:
            config.parameters[REQUEST_COST_PARAMETER].string_value = "1"
            config.parameters[CELL_COST_PARAMETER].string_value = "1000"
        return response


def serve(port: int, ms: float, alone: bool) -> None:
    """Be the stub, until the process is ended."""

    async def run() -> None:
        async with serving(FixedTime(ms, alone=alone), f"127.0.0.1:{port}"):
            await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def stub(ms: float, *, alone: bool) -> Iterator[tuple[str, int]]:
    """Run a stub in a process of its own; gives its address and process id."""
    (port,) = find_free_ports(1)
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, ms, alone), daemon=True)
    process.start()
    try:
        yield f"127.0.0.1:{port}", process.pid or 0
    finally:
        process.kill()
        process.join()


class Bench:
    """Measures rows on one broker and one stub."""

    def __init__(self, folder: Path, broker: NativeKafka | EmbeddedBroker, triton: tuple[str, int]) -> None:
        self._folder = folder
        self._broker = broker
        self._triton = triton
        self._n_rows = 0

    def measure(self, row: str, seconds: float, window: int, profile: Path | None) -> Round:
        """A row on fresh workers and topics."""
        self._n_rows += 1
        name = f"stubbed-{self._n_rows}-{row}"
        topics = Topics(f"{name}.posts", f"{name}.verdicts", f"{name}.reviews", f"{name}.dead-letters")
        kafka = replace(self._broker.kafka, topics=topics)
        ensure_topics(kafka, START_S)
        n_workers, n_processes = ROWS[row]
        with ExitStack() as cleanup:
            workers = [
                cleanup.enter_context(Stack(self._config(f"{name}-{n}", name, kafka, n_processes)))
                for n in range(n_workers)
            ]
            load = cleanup.enter_context(Remote(KafkaLoad, kafka))
            usage = cleanup.enter_context(
                UsageWatch(
                    {
                        "worker": lambda: [worker.worker_pid for worker in workers],
                        "kafka": self._broker_pids,
                        "stub": lambda: [self._triton[1]],
                    }
                )
            )
            load.call("warm_up", posts_of(400, self._n_rows))
            posts = posts_of(12_000, 50 + self._n_rows)
            closed = Closed(window * n_workers * n_processes, seconds)
            with record(workers[0].worker_pid, profile, seconds) if profile else nullcontext():
                trace = load.call("run", closed, posts)
        return summarise(trace, usage)

    def _broker_pids(self) -> list[int | None]:
        return [*self._broker.pids] if isinstance(self._broker, NativeKafka) else [self._broker.pid]

    def _config(self, name: str, group: str, kafka: KafkaConfig, n_processes: int) -> StackConfig:
        command = WORKER_COMMAND if n_processes == 1 else (*WORKER_COMMAND, "--processes", str(n_processes))
        return StackConfig(
            self._folder / name,
            triton_repository(),
            kafka=kafka,
            triton=self._triton[0],
            start_timeout_s=START_S,
            worker_environment={"SLUICE_GROUP": group, "SLUICE_CACHE_MB": "0"},
            worker_command=command,
        )


def posts_of(n_posts: int, seed: int) -> list[Post]:
    """Texts without repeats."""
    return make_posts(n_posts, seed, parse_mix("text", 0.0), Path())


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ms", type=float, default=5.0, help="Of each request.")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--seconds", type=float, default=8.0, help="Of each row.")
    parser.add_argument("--window", type=int, default=512, help="Posts under way for each process of a worker.")
    parser.add_argument("--embedded", action="store_true", help="On the embedded broker.")
    parser.add_argument("--profile", type=Path)
    return parser.parse_args()


def show(row: str, found: Round) -> None:
    """One line."""
    cpu = ", ".join(f"{role} {ms:.3f}" for role, ms in found.cpu_ms.items())
    print(f"{row:10} {found.posts_per_s:8.0f}/s  CPU ms a post: {cpu}; lost {found.n_lost}", flush=True)


def main() -> None:
    """Measure and print."""
    options = read_options()
    rows = options.rows.split(",")
    rates: dict[str, list[float]] = {row: [] for row in rows}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as cleanup:
        broker = EmbeddedBroker(Path(folder)) if options.embedded else NativeKafka(Path(folder))
        cleanup.callback(broker.stop)
        broker.start()
        triton = cleanup.enter_context(stub(options.ms, alone=options.alone))
        broker.wait_until_ready(START_S)
        bench = Bench(Path(folder), broker, triton)
        for row in rows * options.rounds:
            found = bench.measure(row, options.seconds, options.window, options.profile)
            rates[row].append(found.posts_per_s)
            show(row, found)
    first = median(rates[rows[0]])
    print(", ".join(f"{row} {median(rates[row]) / first:.2f}" for row in rows))


if __name__ == "__main__":
    main()
