"""Several environments in one input: folders beside each other that state the same objects differently (``overlays/dev`` and ``overlays/prod``).

No cluster has all of it. Each environment is its own folder with what lies outside of all such folders. It is told by its objects: at least half of
those of each folder stand in another one too; where they do not, or one folder has an object twice, nobody can tell what belongs together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.capture.reading import facts
from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.source import Gap, Source

MOST = 8
"""How many environments are looked at; of more, the objects are taken as those of one cluster."""
Key = tuple[str, str, str, str]
Known = tuple[Sequence[Fact], Sequence[Gap]]


@dataclass(frozen=True, slots=True)
class Environments:
    """The network of each environment, and the gaps that there are only because all are read together."""

    networks: tuple[Network, ...]
    beside: frozenset[Gap]


def environments(network: Network, sources: tuple[Source, ...], read: Known | None = None) -> Environments | None:
    """The environments of manifests; None where there is one, or they cannot be told. ``read``: the facts and gaps of the sources, where they are at hand."""
    if network.namespaces or not network.cluster.doubles:
        return None
    known, gaps = read or facts(sources)
    folders = folders_of(places_of(known))
    names = sorted(set(folders.values()))
    if not names:
        return None
    owned = [(whose(fact.at.path, folders), fact) for fact in known]
    networks = tuple(part(sources, owned, gaps, folders, name) for name in names)
    together = build(sources, known, gaps)
    return Environments(networks, frozenset(together.gaps) - {gap for one in networks for gap in one.gaps})


def part(
    sources: Iterable[Source], read: Iterable[tuple[str, Fact]], gaps: Iterable[Gap], folders: Mapping[str, str], name: str
) -> Network:
    """The network of an environment: its own, and what is of none."""
    return build(
        [source for source in sources if whose(source.path, folders) in ("", name)],
        [fact for own, fact in read if own in ("", name)],
        [gap for gap in gaps if whose(gap.at.path, folders) in ("", name)],
    )


def whose(path: str, folders: Mapping[str, str]) -> str:
    """The environment that a file is of; empty for none."""
    end = path.find("/")
    while end >= 0:
        if (found := folders.get(path[:end])) is not None:
            return found
        end = path.find("/", end + 1)
    return ""


def places_of(read: Iterable[Fact]) -> dict[Key, frozenset[str]]:
    """The files that each object stands in."""
    found: dict[Key, set[str]] = {}
    for fact in read:
        if isinstance(fact, ObjectFact) and fact.name:
            found.setdefault((fact.api_version, fact.kind, fact.namespace, fact.name), set()).add(fact.at.path)
    return {key: frozenset(paths) for key, paths in found.items()}


def folders_of(places: Mapping[Key, frozenset[str]]) -> dict[str, str]:
    """The folders of the environments, each with the name of its environment; none where they cannot be told."""
    folders: dict[str, str] = {}
    for paths in set(places.values()):
        if len(paths) > 1:
            own = dict(parted(paths))
            if not own:
                return {}
            folders |= own
    names = set(folders.values())
    nested = any(whose(folder, folders) for folder in folders)
    return {} if nested or len(names) > MOST or not all(alike(name, folders, places) for name in names) else folders


def parted(paths: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The folders in which the paths part, with their names; none where they do not all lie in folders of their own there."""
    split = [path.split("/") for path in sorted(paths)]
    depths = (index for index in range(min(map(len, split))) if len({words[index] for words in split}) > 1)
    if (depth := next(depths, None)) is None:
        return
    apart = len({words[depth] for words in split}) == len(split)
    if apart and all(len(words) > depth + 1 for words in split):
        yield from (("/".join(words[: depth + 1]), words[depth]) for words in split)


def alike(name: str, folders: Mapping[str, str], places: Mapping[Key, frozenset[str]]) -> bool:
    """Whether at least half of the objects of an environment stand in another one too."""
    every = [{whose(path, folders) for path in paths} - {""} for paths in places.values()]
    own = [names for names in every if name in names]
    return 2 * sum(len(names) > 1 for names in own) >= len(own)
