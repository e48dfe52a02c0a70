"""What one edited policy changes, on a loaded cluster: ``python -m benchmarks.whatif L [--admin N] [--edits N]``.

Each edit is one of: a policy is taken away, its ports are changed to others that policies mention, its peers become those of another policy, or
it selects another application. Time is processor time, from the edit's text to the finished difference.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from random import Random
from statistics import median

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.memory import without_cycles
from analyzer.model.cluster import Cluster
from analyzer.query.whatif.edits import Apply, Delete, Edit
from analyzer.query.whatif.edits import Object as Name
from analyzer.query.whatif.loaded import Loaded
from analyzer.source import Source
from benchmarks.policies import SIZES, Object, Shape, cluster


def edits(found: Cluster, random: Random, count: int) -> Iterator[Edit]:
    """Edits of policies taken at random."""
    policies = [item for item in found.others if item.kind == "NetworkPolicy"]
    for number in range(count):
        item, other = random.choice(policies), random.choice(policies)
        if number % 4 == 0:
            yield Delete(Name("netpol", item.namespace, item.name))
        else:
            yield applied(altered(item, other, number % 4), number)


def altered(item: OtherObjectFact, other: OtherObjectFact, way: int) -> Object:
    """The policy with something of another."""
    document: Object = copy.deepcopy(dict(item.document))
    theirs = copy.deepcopy(dict(other.document))
    if way == 3:
        document["spec"]["podSelector"] = theirs["spec"]["podSelector"]
        return document
    key = "ports" if way == 1 else "from"
    rules = [rule for rule in theirs["spec"].get("ingress", ()) if rule.get(key)]
    for rule in document["spec"].get("ingress", ()):
        if rules:
            rule[key] = rules[0][key]
    return document


def applied(document: Object, number: int) -> Apply:
    """The edit that applies an object."""
    return Apply(Source(f"edit-{number}.json", json.dumps(document, indent=1), "kubernetes"))


def measured(loaded: Loaded, edit: Edit) -> tuple[float, int, bool]:
    """Seconds, changes, and whether only what is selected was compiled anew."""
    started = time.process_time()
    quick = loaded.quickly([edit])
    found = quick if quick is not None else loaded.whatif([edit])
    return time.process_time() - started, len(found.changes), quick is not None


def main() -> None:
    """Prints the median and the tail of the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("--admin", type=int, default=0)
    parser.add_argument("--edits", type=int, default=200)
    options = parser.parse_args()
    shape = SIZES[options.size]
    with without_cycles():
        found = cluster(Shape(shape.pods, shape.namespaces, shape.policies, options.admin, shape.seed))
        loaded = Loaded(found)
        loaded.whatif([next(edits(found, Random(1), 1))])
    results = [measured(loaded, edit) for edit in edits(found, Random(2), options.edits)]
    times = sorted(seconds for seconds, _, _ in results)
    tail = times[int(len(times) * 0.95)]
    print(
        f"{len(times)} edits: median {median(times) * 1000:.1f} ms, 95th percentile {tail * 1000:.1f} ms, worst {times[-1] * 1000:.1f} ms"
    )
    print(f"{sum(quick for _, _, quick in results)} by what is selected alone; {sum(count for _, count, _ in results)} changes")


if __name__ == "__main__":
    main()
