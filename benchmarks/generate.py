"""``python -m benchmarks.generate --nodes N --pods P --services S --policies Q --seed K --output DIR``: a cluster of any size, the same for a seed.

The objects are written as ``kubectl get -A -o json`` has them, a file for each kind, object by object (``--yaml``: as documents of YAML).
``--captures`` writes the state of the nodes in place of the objects, as flannel and kube-proxy leave it; a few nodes have a fault. ``--clusters N`` writes N such
clusters in folders of their own, for ``analyze fleet --each``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from benchmarks import capture, objects
from benchmarks.objects import Object, Shape
from benchmarks.policies import lines

KINDS: dict[str, Callable[[Shape], Iterator[Object]]] = {
    "nodes": objects.nodes,
    "namespaces": objects.namespaces,
    "pods": objects.pods,
    "services": objects.services,
    "endpointslices": objects.slices,
    "networkpolicies": objects.policies,
}


def write(folder: Path, shape: Shape, yaml: bool = False) -> None:
    """Writes the objects of a cluster below the folder, one at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in KINDS.items():
        with (folder / f"{name}.{'yaml' if yaml else 'json'}").open("w", encoding="utf-8") as file:
            file.writelines(documents(made(shape)) if yaml else items(made(shape)))


def documents(made: Iterator[Object]) -> Iterator[str]:
    """Objects as documents of YAML."""
    for item in made:
        yield "---\n" + "\n".join(lines(item, 0)) + "\n"


def items(made: Iterator[Object]) -> Iterator[str]:
    """Objects as the items of a list in JSON, indented as kubectl does."""
    yield '{\n    "apiVersion": "v1",\n    "items": ['
    for number, item in enumerate(made):
        text = json.dumps(item, indent=4).replace("\n", "\n        ")
        yield f"{',' if number else ''}\n        {text}"
    yield '\n    ],\n    "kind": "List",\n    "metadata": {"resourceVersion": ""}\n}\n'


def write_captures(folder: Path, shape: Shape) -> None:
    """Writes the state of every node; a node with a fault does not forward, lacks a route or lacks a tunnel's entry."""
    made = capture.Shape(shape.nodes, max(1, shape.pods // shape.nodes), shape.services, 2)
    capture.write(folder, made)
    for number in range(shape.nodes):
        if shape.faulty("capture", number):
            harm(folder / "nodes" / f"n{number}", made, number, Random(f"{shape.seed}/harm/{number}"))


def harm(folder: Path, shape: capture.Shape, number: int, random: Random) -> None:
    """Breaks one thing of a captured node: its forwarding, or the way to another node."""
    other = (number + random.randrange(1, max(2, shape.nodes))) % shape.nodes
    match random.randrange(3):
        case 0:
            changed(folder / "sysctl_net", lambda line: line.replace("ip_forward = 1", "ip_forward = 0"))
        case 1:
            route = f"{shape.subnet(other)}.0/24 via"
            changed(folder / "ip_route_show_table_all", lambda line: "" if line.startswith(route) else line)
        case _:
            entry = f"dst {shape.node_address(other)} self permanent\n"
            changed(folder / "bridge_fdb", lambda line: "" if line.endswith(entry) else line)


def changed(path: Path, change: Callable[[str], str]) -> None:
    """Writes a file anew, each line as it is to be."""
    with path.open(encoding="utf-8") as file:
        found = [change(line) for line in file]
    path.write_text("".join(found), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Writes what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("nodes", "pods", "services", "policies"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Shape(), name))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=float, default=Shape().faults, help="the part of the objects that has a fault")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--yaml", action="store_true")
    parser.add_argument("--captures", action="store_true")
    parser.add_argument("--clusters", type=int, default=0)
    options = parser.parse_args(arguments)
    shape = Shape(options.nodes, options.pods, options.services, options.policies, options.seed, options.faults)
    for number in range(options.clusters or 1):
        folder = options.output / f"cluster-{number:03d}" if options.clusters else options.output
        one = replace(shape, seed=shape.seed + number)
        if options.captures:
            write_captures(folder, one)
        else:
            write(folder, one, options.yaml)


if __name__ == "__main__":
    main()
