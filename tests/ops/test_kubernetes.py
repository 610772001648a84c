"""ops/kubernetes: what an API server would take, and that it fits the images, the settings and the worker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import typer
import yaml

from sluice.cli import app
from sluice.config import AgentConfig, PipelineConfig, Topics
from sluice.memory_plan import MemoryPlan
from sluice.settings import load_settings, name_unknown
from sluice.verdict.documents import load_policy
from tests.components import require
from tests.ops.manifests import CUSTOM, NAME, OVERLAYS, ROOT, containers, of_kind, pods, render, selects

VERSIONS = ("1.30", "1.34")
"""The oldest Kubernetes that these manifests are for, and a new one."""
SCHEMAS = Path(__file__).with_name("kubernetes_schemas")
DOCKERFILES = {
    "sluice-worker": "worker.Dockerfile",
    "sluice-triton-cpu": "triton.Dockerfile",
    "sluice-triton-gpu": "triton.Dockerfile",
}
TRITON_UID = 1000
"""Of `triton-server` in NVIDIA's images (`build.py` of github.com/triton-inference-server/server asserts it)."""
TRITON_PATHS = {"/v2/health/live", "/v2/health/ready"}
"""KServe's open inference protocol, "Health"."""

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.mark.parametrize("version", VERSIONS)
@each_overlay
def test_kubernetes_takes_each_resource(overlay: str, version: str) -> None:
    for resource in render(overlay):
        if resource["kind"] not in CUSTOM:
            kubernetes_validate.validate(resource, version, strict=True)


def test_a_misspelt_field_is_refused() -> None:
    service = of_kind("cpu", "Service")["triton"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**service, "spec": {**service["spec"], "port": 1}}, VERSIONS[0], strict=True)


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the schemas of KEDA and of the Prometheus operator."""
    folder = tmp_path_factory.mktemp("schemas") / "validator"
    shutil.copytree(SCHEMAS, folder)
    command = [require("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def _wrong(folder: Path, resources: list[dict[str, Any]]) -> list[str | None]:
    done = subprocess.run(
        [require("node"), "validate.mjs"], cwd=folder, input=json.dumps(resources), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[str | None] = json.loads(done.stdout)
    return found


def test_keda_and_prometheus_take_their_resources(validator: Path) -> None:
    resources = [resource for overlay in OVERLAYS for resource in render(overlay) if resource["kind"] in CUSTOM]
    assert {resource["kind"] for resource in resources} == CUSTOM
    assert _wrong(validator, resources) == [None] * len(resources)
    assert all(_wrong(validator, [{**resource, "spec": {}} for resource in resources]))


@each_overlay
def test_no_secret_is_in_it(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == {}


@each_overlay
def test_every_pod_is_confined(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is False
        assert of_kind(overlay, "ServiceAccount")[spec["serviceAccountName"]]["automountServiceAccountToken"] is False
        for container in containers(pod):
            confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]}}  # fmt: skip
            assert container["securityContext"] == confined, name
            assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
            assert "cpu" in container["resources"]["requests"]


@each_overlay
def test_what_is_written_to_is_a_volume(overlay: str) -> None:
    for pod in pods(overlay).values():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for container in containers(pod):
            mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
            assert "emptyDir" in volumes[mounts["/tmp"]["name"]]  # the path in the container
            assert {mount["name"] for mount in mounts.values()} <= set(volumes)
            assert "triton" not in container["image"] or "/var/cache/sluice" in mounts


@each_overlay
def test_users_and_ports_are_those_of_the_images(overlay: str) -> None:
    for pod in pods(overlay).values():
        for container in containers(pod):
            dockerfile = (ROOT / "ops" / "docker" / DOCKERFILES[container["image"].partition(":")[0]]).read_text()
            uid = re.findall(r"useradd --uid (\d+)", dockerfile) or [TRITON_UID]
            context = pod["spec"]["securityContext"]
            assert context["runAsUser"] == context["runAsGroup"] == int(uid[0])
            exposed = {
                int(port) for line in re.findall(r"^EXPOSE (.+)$", dockerfile, re.MULTILINE) for port in line.split()
            }
            assert {port["containerPort"] for port in container.get("ports", [])} <= exposed


@each_overlay
def test_images_are_of_a_version(overlay: str) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    images = {container["image"] for pod in pods(overlay).values() for container in containers(pod)}
    assert all(f"image: {image}\n" in compose for image in images)


def test_each_overlay_has_its_triton() -> None:
    served = {overlay: pods(overlay)["triton"]["spec"]["containers"][0] for overlay in OVERLAYS}
    assert {overlay: each["image"].partition(":")[0] for overlay, each in served.items()} == {
        "cpu": "sluice-triton-cpu", "gpu": "sluice-triton-gpu",
    }  # fmt: skip
    assert "nvidia.com/gpu" in served["gpu"]["resources"]["limits"]
    assert "nvidia.com/gpu" not in served["cpu"]["resources"]["limits"]


@each_overlay
def test_probes_ask_for_what_is_served(overlay: str) -> None:
    paths = {
        "sluice-worker": set(re.findall(r'add_get\("(/\w+)"', (ROOT / "engine/sluice/stream/health.py").read_text())),
        "sluice-http": set(re.findall(r'@get\("(/\w+)"', (ROOT / "engine/sluice/api/app.py").read_text())),
        "triton": TRITON_PATHS,
    }
    for name, pod in pods(overlay).items():
        (container,) = pod["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
        assert {probe["path"] for probe in probes} <= paths[name]
        assert {probe["port"] for probe in probes} <= ports


def _settings(overlay: str) -> dict[str, str]:
    (config,) = (each for name, each in of_kind(overlay, "ConfigMap").items() if name.startswith("sluice-settings"))
    given: dict[str, str] = config["data"]
    return given


@each_overlay
def test_settings_are_ones_that_the_worker_reads(overlay: str, tmp_path: Path) -> None:
    for pod in (pods(overlay)["sluice-worker"], pods(overlay)["sluice-http"]):
        (container,) = pod["spec"]["containers"]
        environ = {**_settings(overlay), **{each["name"]: each["value"] for each in container["env"]}}
        assert name_unknown(environ) == []
        settings = load_settings({**environ, "XDG_DATA_HOME": str(tmp_path)})
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert str(settings.policy_path) == f"{mounts['policy']}/policy.yaml"
        limit = container["resources"]["limits"]["memory"]
        assert int(limit.removesuffix("Mi")) >= settings.memory.total_mb + 256
        assert settings.memory.total_mb >= MemoryPlan.total_mb
        assert pod["spec"]["terminationGracePeriodSeconds"] >= PipelineConfig.max_deadline_ms / 1000 + 10


@each_overlay
def test_the_policy_is_the_one_that_ships(overlay: str, tmp_path: Path) -> None:
    (config,) = (each for name, each in of_kind(overlay, "ConfigMap").items() if name.startswith("sluice-policy"))
    path = tmp_path / "policy.yaml"
    path.write_text(config["data"]["policy.yaml"])
    assert load_policy(path) == load_policy(ROOT / "ops" / "policies" / "default.yaml")


def test_the_documented_overlay_renders(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (overlay,) = re.findall(r"^```yaml\n(.+?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "kustomization.yaml").write_text(
        re.sub(r"github\.com/your/copy", os.path.relpath(ROOT, tmp_path.resolve()), overlay)
    )
    command = [require("kubectl"), "kustomize", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "SLUICE_KAFKA: broker-1.example.org:9093" in done.stdout
    assert "image: REGISTRY/sluice-worker:0.1.0" in done.stdout


@each_overlay
def test_commands_and_their_options_are_there(overlay: str) -> None:
    commands = typer.main.get_group(app).commands
    for name in ("sluice-worker", "sluice-http"):
        (container,) = pods(overlay)[name]["spec"]["containers"]
        command, *rest = container["args"]
        options = {option for parameter in commands[command].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options


@each_overlay
def test_what_selects_pods_finds_some(overlay: str) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(overlay).values()]
    services = [service["metadata"].get("labels", {}) for service in of_kind(overlay, "Service").values()]
    for resource in render(overlay):
        spec = resource.get("spec", {})
        match resource["kind"]:
            case "Service":
                assert any(selects({"matchLabels": spec["selector"]}, each) for each in labels)
            case "PodDisruptionBudget" | "PodMonitor" | "Deployment":
                assert sum(selects(spec["selector"], each) for each in labels) == 1, resource["metadata"]["name"]
            case "ServiceMonitor":
                assert sum(selects(spec["selector"], each) for each in services) == 1
            case "ScaledObject":
                assert spec["scaleTargetRef"]["name"] in pods(overlay)
    assert {each[NAME] for each in labels} == set(of_kind(overlay, "PodDisruptionBudget"))


@each_overlay
def test_workers_scale_by_the_topic_and_group_that_they_read(overlay: str) -> None:
    spec = of_kind(overlay, "ScaledObject")["sluice-worker"]["spec"]
    kafka = next(each["metadata"] for each in spec["triggers"] if each["type"] == "kafka")
    assert (kafka["topic"], kafka["consumerGroup"]) == (Topics.posts, AgentConfig.group)
    assert kafka["bootstrapServersFromEnv"] in _settings(overlay)
    assert spec["minReplicaCount"] >= 2  # or a disruption budget of one pod is an outage


@pytest.mark.prometheus
def test_prometheus_understands_what_scaling_asks(promtool: str, tmp_path: Path) -> None:
    triggers = [each for scaled in of_kind("cpu", "ScaledObject").values() for each in scaled["spec"]["triggers"]]
    queries = [each["metadata"]["query"] for each in triggers if each["type"] == "prometheus"]
    assert len(queries) == 2
    rules = [{"record": f"scaling:query:{n}", "expr": query} for n, query in enumerate(queries)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "scaling", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
