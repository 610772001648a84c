"""The manifests of ops/kubernetes as `kubectl apply -k` would send them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.components import require

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("cpu", "gpu")
CUSTOM = {"ScaledObject", "PodMonitor", "ServiceMonitor"}
"""Kinds that KEDA and the Prometheus operator bring."""
NAME = "app.kubernetes.io/name"
Resource = dict[str, Any]


@cache
def render(overlay: str) -> tuple[Resource, ...]:
    """All resources of an overlay."""
    command = [require("kubectl"), "kustomize", str(ROOT / "ops" / "kubernetes" / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, kind: str) -> dict[str, Resource]:
    """Resources of a kind, by name."""
    return {each["metadata"]["name"]: each for each in render(overlay) if each["kind"] == kind}


def pods(overlay: str) -> dict[str, Resource]:
    """What each Deployment says of its pods: metadata and spec, by its name."""
    return {name: each["spec"]["template"] for name, each in of_kind(overlay, "Deployment").items()}


def containers(pod: Resource) -> Iterator[Resource]:
    """Of a pod, those that come first included."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def selects(selector: Resource, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in among)
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(each["key"]) in each["values"] for each in among
    )
