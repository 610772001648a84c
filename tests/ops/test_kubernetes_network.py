"""Who may talk to whom in ops/kubernetes: the network allows what is needed, and refuses what the worker refuses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from sluice.media.addresses import is_public
from tests.ops.manifests import NAME, OVERLAYS, of_kind, pods, selects

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
Peer = dict[str, Any]


def _policies(overlay: str, pod: str) -> list[dict[str, Any]]:
    """Specs of the policies that hold for a pod."""
    labels = pods(overlay)[pod]["metadata"]["labels"]
    specs = [each["spec"] for each in of_kind(overlay, "NetworkPolicy").values()]
    return [spec for spec in specs if selects(spec["podSelector"], labels)]


def _peers(overlay: str, pod: str, direction: str) -> Iterator[tuple[Peer, list[int | str]]]:
    """Whom a pod may talk to (`egress`) or be talked to by (`ingress`), and on which ports."""
    side = {"egress": "to", "ingress": "from"}[direction]
    for spec in _policies(overlay, pod):
        for rule in spec.get(direction, []):
            yield from ((peer, [port["port"] for port in rule["ports"]]) for peer in rule[side])


@each_overlay
@pytest.mark.parametrize("pod", ["sluice-worker", "sluice-http", "triton"])
def test_nothing_is_allowed_that_is_not_said(overlay: str, pod: str) -> None:
    everything = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert everything in _policies(overlay, pod)
    assert all(ports and peer for side in ("egress", "ingress") for peer, ports in _peers(overlay, pod, side))


def _namespaces(peer: Peer) -> str | None:
    found: str | None = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
    return found


@each_overlay
def test_the_worker_reaches_kafka_triton_names_and_the_internet_alone(overlay: str) -> None:
    peers = list(_peers(overlay, "sluice-worker", "egress"))
    assert {_namespaces(peer) for peer, _ in peers if "namespaceSelector" in peer} == {"kafka", "kube-system"}
    (triton,) = (peer["podSelector"] for peer, _ in peers if set(peer) == {"podSelector"})
    assert [name for name, pod in pods(overlay).items() if selects(triton, pod["metadata"]["labels"])] == ["triton"]
    assert {port for peer, ports in peers if "ipBlock" in peer for port in ports} == {80, 443}


@each_overlay
def test_triton_talks_to_nobody_and_hears_those_that_score(overlay: str) -> None:
    assert {_namespaces(peer) for peer, _ in _peers(overlay, "triton", "egress")} == {"kube-system"}
    heard = [peer["podSelector"] for peer, _ in _peers(overlay, "triton", "ingress") if "podSelector" in peer]
    assert {name for name in pods(overlay) if any(selects(each, {NAME: name}) for each in heard)} == {
        "sluice-worker", "sluice-http",
    }  # fmt: skip


def test_ports_by_name_are_ports_of_the_pods() -> None:
    for name, pod in pods("cpu").items():
        known = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        asked = {port for _, ports in _peers("cpu", name, "ingress") for port in ports}
        assert asked <= known


def _allowed(address: str) -> bool:
    """Whether the worker's policy lets it connect to an address."""
    blocks = [peer["ipBlock"] for peer, _ in _peers("cpu", "sluice-worker", "egress") if "ipBlock" in peer]
    found = ipaddress.ip_address(address)
    return any(
        found in ipaddress.ip_network(block["cidr"])
        and not any(found in ipaddress.ip_network(hole) for hole in block["except"])
        for block in blocks
    )


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "100.100.100.200", "192.0.0.192",
     "168.63.129.16", "161.26.0.10", "166.9.1.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1",
     "fd00::1", "fe80::1", "2002:a00:1::", "2001:0:1::", "2001:db8::1", "3fff::1", "64:ff9b::a00:1"],
)  # fmt: skip
def test_addresses_inside_are_refused_by_worker_and_network(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert not _allowed(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "172.15.0.1", "223.255.255.254", "2606:4700::1111"])
def test_the_internet_is_allowed(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    assert _allowed(address)


def test_no_public_range_is_shut_out() -> None:
    holes = [
        hole
        for peer, _ in _peers("cpu", "sluice-worker", "egress")
        for hole in peer.get("ipBlock", {}).get("except", [])
    ]
    for hole in map(ipaddress.ip_network, holes):
        for address in (hole[0], hole[-1]):
            assert not is_public(address) or str(hole) == "2001::/23", hole
