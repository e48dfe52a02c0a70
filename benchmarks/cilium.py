"""A cluster of two nodes with Cilium whose maps are large: services, and addresses of the ipcache that are pods' of other nodes."""

from __future__ import annotations

from pathlib import Path

from tests.cilium_cluster import Cluster, Service


def programmed(folder: Path, services: int, addresses: int) -> None:
    """Writes the capture: services of two backends, and as many more addresses on each node."""
    found = tuple(service(number) for number in range(services))
    files = Cluster(services=found, isolated=False, policies={}).files()
    more = "".join(map(remote, range(addresses)))
    for node in ("n1", "n2"):
        files[f"nodes/{node}/cilium_bpf_ipcache_list"] += more
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def service(number: int) -> Service:
    """A service with a backend on each node."""
    backends = (f"10.244.1.{11 + number % 2}:8080", f"10.244.2.{21 + number % 2}:8080")
    return Service(f"default/s{number}", f"10.96.{number // 250}.{number % 250 + 1}", 80, backends)


def remote(number: int) -> str:
    """An address behind one of a hundred nodes that were not captured."""
    address = f"10.{100 + number // 25_000}.{number // 200 % 125}.{number % 200 + 10}"
    return f"{address}/32      identity={20_000 + number % 500} encryptkey=0 tunnelendpoint=192.168.0.{20 + number % 100} flags=hastunnel\n"
