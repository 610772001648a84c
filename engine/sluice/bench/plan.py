"""How many workers, Triton instances, partitions and brokers a rate of posts needs, and what limits it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sluice.bench.figures import KAFKA, WORKER, parts_of
from sluice.bench.posts import Mix
from sluice.contract import AUDIO_ENCODER, FUSION, IMAGE_ENCODER, TEXT_ENCODER, ModelSpec, Size, TensorSpec

ROWS = {TEXT_ENCODER.name: (1.66, 0.0, 0.0), IMAGE_ENCODER.name: (0.0, 1.0, 0.0), AUDIO_ENCODER.name: (0.0, 0.0, 3.5)}
"""Rows of each encoder per text, picture and clip of the generator's. The fusion has a row for each post and part."""
GPU_ROWS_PER_S = {
    TEXT_ENCODER.name: 33_000.0,
    IMAGE_ENCODER.name: 45_000.0,
    AUDIO_ENCODER.name: 69_000.0,
    FUSION.name: 139_000.0,
}
"""Of one H100 in half precision, 32 rows at a time (`ops/bench/half_precision.py`): the networks alone."""
POST_BYTES, VERDICT_BYTES = 600, 1_500
PICTURE_BYTES, CLIP_BYTES = 124_000, 90_000
"""Of the generator's files, on average."""
N_REPLICAS = 3
LINK_BYTES_PER_S = 1.25e9
"""10 Gbit/s a machine."""
PARTITIONS_PER_BROKER = 4_000
"""Replicas that Kafka's documentation takes a broker to hold."""
LEAST_PARTITIONS, PARTITIONS_PER_WORKER = 12, 2
"""A partition is read by one worker; with two for each, one worker more or less moves little."""
SECONDS_PER_DAY = 86_400
_BYTES = {"BOOL": 1, "UINT8": 1, "INT64": 8, "FP32": 4}


@dataclass(frozen=True)
class Hardware:
    """What there is to run on, and what it costs.

    Attributes
    ----------
    busy : float
        Share of a core or a link that is planned for, in (0, 1]: the rest is for peaks and for a machine that fails.
    cores : int
        Of a machine.
    gpu : bool
        Whether Triton runs on GPUs.
    core_hour, gpu_hour : float
        Prices, in whatever currency.
    """

    busy: float = 0.6
    cores: int = 16
    gpu: bool = False
    core_hour: float = 0.04
    gpu_hour: float = 3.0


@dataclass(frozen=True)
class Plan:
    """What a rate needs.

    Attributes
    ----------
    workers : int
        Processes, each with a core for itself.
    triton : int
        Instances of the models: cores, or GPUs.
    kafka_gbit, media_gbit, triton_gbit : float
        Gbit/s in and out of the brokers, replication included; of media from their store; between workers and Triton.
    kafka_tb_per_day : float
        Terabytes that the brokers write in a day, in all replicas: what retention multiplies.
    machines : mapping of str to float
        Machines that each resource asks for, largest first.
    """

    rate_per_s: float
    workers: int
    triton: int
    partitions: int
    brokers: int
    kafka_gbit: float
    media_gbit: float
    triton_gbit: float
    kafka_tb_per_day: float
    cost_per_hour: float
    machines: Mapping[str, float]

    @property
    def bottleneck(self) -> str:
        """What asks for most machines."""
        return next(iter(self.machines))

    @property
    def cost_per_million(self) -> float:
        """Of a million posts."""
        return self.cost_per_hour / (self.rate_per_s * 3600) * 1e6


def make_plan(rate_per_s: float, mix: Mix, cost_ms: Mapping[str, float], hardware: Hardware) -> Plan:
    """Size every part for a rate.

    Parameters
    ----------
    cost_ms : mapping of str to float
        Milliseconds of CPU per post by process; see `cost_of`.
    """
    triton_ms = sum(ms for role, ms in cost_ms.items() if role not in (WORKER, KAFKA))
    worker_cores = rate_per_s * cost_ms.get(WORKER, 0.0) / 1000 / hardware.busy
    kafka_cores = rate_per_s * cost_ms.get(KAFKA, 0.0) / 1000 / hardware.busy
    triton_load = rate_per_s * (_gpu_s(mix) if hardware.gpu else triton_ms / 1000) / hardware.busy
    workers, triton = math.ceil(worker_cores), math.ceil(triton_load)
    partitions = max(LEAST_PARTITIONS, PARTITIONS_PER_WORKER * workers)
    kafka_bytes = rate_per_s * (POST_BYTES + VERDICT_BYTES) * (N_REPLICAS + 1)
    media_bytes, triton_bytes = rate_per_s * _media_bytes(mix), rate_per_s * _tensor_bytes(mix)
    link = LINK_BYTES_PER_S * hardware.busy
    broker_needs = {
        "Kafka's CPU": kafka_cores / hardware.cores,
        "Kafka's network": kafka_bytes / link,
        "Kafka's partitions": partitions * 2 * N_REPLICAS / PARTITIONS_PER_BROKER,
    }
    brokers = max(N_REPLICAS, math.ceil(max(broker_needs.values())))
    models = "the models' GPUs" if hardware.gpu else "the models' CPU"
    needs = {
        "the workers' CPU": worker_cores / hardware.cores,
        models: triton_load / (1 if hardware.gpu else hardware.cores),
        "the network between workers and Triton": triton_bytes / link,
        "the network to the media": media_bytes / link,
        **broker_needs,
    }
    gpus, triton_cores = (triton, 0) if hardware.gpu else (0, triton)
    n_cores = workers + triton_cores + brokers * hardware.cores
    return Plan(
        rate_per_s=rate_per_s,
        workers=workers,
        triton=triton,
        partitions=partitions,
        brokers=brokers,
        kafka_gbit=_gbit(kafka_bytes),
        media_gbit=_gbit(media_bytes),
        triton_gbit=_gbit(triton_bytes),
        kafka_tb_per_day=rate_per_s * (POST_BYTES + VERDICT_BYTES) * N_REPLICAS * SECONDS_PER_DAY / 1e12,
        cost_per_hour=n_cores * hardware.core_hour + gpus * hardware.gpu_hour,
        machines=dict(sorted(needs.items(), key=lambda need: -need[1])),
    )


def rows_of(mix: Mix) -> dict[str, float]:
    """Rows of each model per post, on average."""
    parts = parts_of(mix)
    rows = {name: sum(n * each for n, each in zip(parts, per_part, strict=True)) for name, per_part in ROWS.items()}
    n_several = 1 - mix.text / 100
    return {**rows, FUSION.name: 1 + n_several * (sum(parts) if n_several else 0)}


def _gpu_s(mix: Mix) -> float:
    return sum(n / GPU_ROWS_PER_S[name] for name, n in rows_of(mix).items())


def _media_bytes(mix: Mix) -> float:
    _, pictures, clips = parts_of(mix)
    return pictures * PICTURE_BYTES + clips * CLIP_BYTES


def _tensor_bytes(mix: Mix) -> float:
    rows = rows_of(mix)
    return sum(rows[spec.name] * bytes_of(spec) for spec in (TEXT_ENCODER, IMAGE_ENCODER, AUDIO_ENCODER, FUSION))


def bytes_of(spec: ModelSpec) -> int:
    """Of a usual row's tensors, in and out."""
    return sum(_BYTES[tensor.type] * _cells(tensor) for tensor in (*spec.inputs, *spec.outputs))


def _cells(tensor: TensorSpec) -> int:
    return math.prod(tensor.sizes(Size.USUAL))


def _gbit(n_bytes: float) -> float:
    return n_bytes * 8 / 1e9


def describe(plans: Sequence[Plan], is_gpu: bool) -> Iterator[tuple[str, ...]]:
    """A line for each plan, in the order of `COLUMNS`."""
    for plan in plans:
        yield (
            f"{plan.rate_per_s:,.0f}",
            f"{plan.workers:,}",
            f"{plan.triton:,} {'GPUs' if is_gpu else 'cores'}",
            f"{plan.partitions:,}",
            f"{plan.brokers:,}",
            f"{plan.kafka_gbit:,.2f}",
            f"{plan.media_gbit:,.2f}",
            f"{plan.triton_gbit:,.2f}",
            f"{plan.kafka_tb_per_day:,.2f}",
            f"{plan.cost_per_hour:,.2f}",
            f"{plan.cost_per_million:,.2f}",
            plan.bottleneck,
        )


COLUMNS = (
    "posts/s", "workers", "Triton", "partitions", "brokers", "Kafka Gbit/s", "media Gbit/s", "Triton Gbit/s",
    "Kafka TB/day", "cost/h", "cost/1M posts", "most machines go to",
)  # fmt: skip
