"""The compose file, its images and what they mount, checked without a container engine.

CI also hands the file to `docker compose config`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from sluice.memory_plan import MemoryPlan

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOTS = {"plan", "sluice"}

HEALTH_CHECK = {
    "type": "object",
    "required": ["test", "interval", "timeout", "retries"],
    "additionalProperties": False,
    "properties": {
        "test": {"type": "array", "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}], "minItems": 2},
        "interval": {"type": "string", "pattern": "^[0-9]+s$"},
        "timeout": {"type": "string", "pattern": "^[0-9]+s$"},
        "start_period": {"type": "string", "pattern": "^[0-9]+s$"},
        "retries": {"type": "integer", "minimum": 1},
    },
}
SERVICE = {
    "type": "object",
    "required": ["image", "restart"],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "pattern": r"^[a-z0-9./-]+:v?[0-9]+(\.[0-9]+)+$"},  # a whole version, never latest
        "restart": {"enum": ["no", "unless-stopped"]},
        "build": {
            "type": "object",
            "required": ["context", "dockerfile"],
            "additionalProperties": False,
            "properties": {name: {"type": "string"} for name in ("context", "dockerfile", "target")},
        },
        "entrypoint": {"type": "array", "items": {"type": "string"}},
        "command": {"type": "array", "items": {"type": "string"}},
        "mem_limit": {"type": "string", "pattern": "^[0-9]+m$"},
        "environment": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:[0-9]+:[0-9]+$"}},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[a-z./-]+:/[a-z./-]+(:ro)?$"}},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["condition"],
                "additionalProperties": False,
                "properties": {
                    "condition": {"enum": ["service_healthy", "service_completed_successfully"]},
                    "required": {"type": "boolean"},
                },
            },
        },
        "healthcheck": HEALTH_CHECK,
        "read_only": {"const": True},
        "cap_drop": {"const": ["ALL"]},
        "security_opt": {"const": ["no-new-privileges:true"]},
        "tmpfs": {"type": "array"},
        "profiles": {"type": "array", "items": {"enum": ["cpu", "gpu", "tools"]}},
        "stop_grace_period": {"type": "string", "pattern": "^[0-9]+s$"},
        "shm_size": {"type": "string", "pattern": "^[0-9]+gb$"},
        "networks": {"type": "object"},
        "deploy": {"type": "object"},
    },
}

each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_service_has_the_shape_that_compose_and_we_ask_for(name: str) -> None:
    jsonschema.validate(SERVICES[name], SERVICE)


@each_service
def test_what_keeps_running_has_a_health_check(name: str) -> None:
    assert ("healthcheck" in SERVICES[name]) == (name not in ONE_SHOTS)


@each_service
def test_what_a_service_waits_for_exists_and_can_be_waited_for(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        assert (wait["condition"] == "service_healthy") == ("healthcheck" in SERVICES[other])


@each_service
def test_mounts_are_declared_volumes_or_files_that_exist(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_every_declared_volume_is_mounted() -> None:
    mounted = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= mounted


@each_service
def test_images_of_ours_can_be_built(name: str) -> None:
    build = SERVICES[name].get("build")
    if build is None:
        return
    dockerfile = (ROOT / build["dockerfile"]).read_text()
    stages = re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE)
    assert build.get("target", stages[0]) in stages
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())


@pytest.mark.parametrize("path", sorted(ROOT.glob("ops/docker/*.Dockerfile")), ids=lambda path: path.name)
def test_base_images_are_pinned_and_the_last_user_is_not_root(path: Path) -> None:
    dockerfile = path.read_text()
    bases = re.findall(r"^ARG \w+=(\S+)$", dockerfile, re.MULTILINE)
    assert bases
    assert all(re.search(r":[0-9]+\.[0-9]+", base) for base in bases)
    assert re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)[-1] != "root"


def test_the_settings_of_the_worker_are_ones_it_reads() -> None:
    known = (ROOT / "engine" / "sluice" / "settings.py").read_text()
    dockerfile = (ROOT / "ops" / "docker" / "worker.Dockerfile").read_text()
    names = set(SERVICES["worker"]["environment"]) | set(re.findall(r"\b(SLUICE_\w+)=", dockerfile))
    assert {name for name in names if f'"{name}"' not in known} == set()


def test_prometheus_scrapes_the_port_that_the_worker_serves() -> None:
    scrapes = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in scrapes if "dns_sd_configs" in job}
    dockerfile = (ROOT / "ops" / "docker" / "worker.Dockerfile").read_text()
    assert ports == {"sluice-worker": int(re.findall(r"SLUICE_METRICS_PORT=(\d+)", dockerfile)[0]), "triton": 8002}


def test_what_prometheus_names_by_name_is_a_service_on_that_port() -> None:
    config = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())
    jobs = [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]
    named = [target for job in jobs for static in job.get("static_configs", []) for target in static["targets"]]
    ports = {name: re.findall(r":(\d+)/", " ".join(service.get("healthcheck", {"test": []})["test"]))
             for name, service in SERVICES.items()}  # fmt: skip
    assert {"alertmanager:9093", "kafka-exporter:9308"} <= set(named)
    for target in set(named) - {"localhost:9090"}:
        name, _, port = target.partition(":")
        assert port in ports[name]


def test_alertmanager_reads_the_variables_that_it_is_given() -> None:
    script = (ROOT / "ops" / "alertmanager" / "start.sh").read_text()
    (names,) = re.findall(r'^names="(.+)"$', script, re.MULTILINE)
    assert set(SERVICES["alertmanager"]["environment"]) == set(names.split())


def test_kafka_is_the_version_that_the_tests_run() -> None:
    pom = (ROOT / "ops" / "kafka" / "pom.xml").read_text()
    version = re.findall(r"kafka_2\.13</artifactId>\s*<version>([^<]+)<", pom)
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[0]}"


def test_dashboards_use_the_provisioned_datasource() -> None:
    grafana = ROOT / "ops" / "grafana"
    sources = yaml.safe_load((grafana / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    for path in grafana.glob("dashboards/*.json"):
        panels = json.loads(path.read_text())["panels"]
        assert {panel["datasource"]["uid"] for panel in panels if "targets" in panel} == {sources[0]["uid"]}


@pytest.mark.parametrize("path", sorted(ROOT.glob("ops/grafana/dashboards/*.json")), ids=lambda path: path.stem)
def test_panels_have_their_own_ids_and_do_not_overlap(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [cell for panel in panels for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells)


def _cells(grid: dict[str, int]) -> list[tuple[int, int]]:
    return [(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])]


def test_the_worker_may_have_the_memory_that_it_takes() -> None:
    worker = SERVICES["worker"]
    assert (
        int(worker["mem_limit"].removesuffix("m")) >= worker["environment"]["SLUICE_MEMORY_MB"] >= MemoryPlan.total_mb
    )
