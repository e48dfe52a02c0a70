"""Edits of an input as values, and how they are written on the command line.

What cannot be understood raises ``EditError`` with what was expected. Whether an edit fits the input is said when it is made (``whatif.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from analyzer.source import Source, Span

# Names as kubectl shortens them (kubectl api-resources), beside plurals and lower case.
SHORT = {
    "po": "Pod",
    "no": "Node",
    "ns": "Namespace",
    "svc": "Service",
    "deploy": "Deployment",
    "ds": "DaemonSet",
    "sts": "StatefulSet",
    "rs": "ReplicaSet",
    "rc": "ReplicationController",
    "cj": "CronJob",
    "cm": "ConfigMap",
    "ep": "Endpoints",
    "ing": "Ingress",
    "sa": "ServiceAccount",
    "netpol": "NetworkPolicy",
    "anp": "AdminNetworkPolicy",
    "banp": "BaselineAdminNetworkPolicy",
    "cnp": "CiliumNetworkPolicy",
    "ccnp": "CiliumClusterwideNetworkPolicy",
    "gnp": "GlobalNetworkPolicy",
}
LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class EditError(ValueError):
    """An edit that cannot be understood, or does not fit the input; the message is for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Object:
    """The name of an object; ``kind`` as it was written, in any case, plural or short. ``namespace`` is empty for kinds without one."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)

    def is_of(self, kind: str) -> bool:
        """Whether an object's kind is meant."""
        return kind.lower() in spellings(self.kind)


def spellings(kind: str) -> tuple[str, ...]:
    """What a written kind can mean, in lower case."""
    plain = kind.lower()
    singular = plain.removesuffix("ies") + "y" if plain.endswith("ies") else plain.removesuffix("s")
    return (SHORT[plain].lower(),) if plain in SHORT else (plain, singular)


@dataclass(frozen=True, slots=True)
class Apply:
    """Objects are made, or take the place of those of their names, as ``kubectl apply`` does."""

    source: Source

    def __str__(self) -> str:
        return f"apply {self.source.path}"


@dataclass(frozen=True, slots=True)
class Delete:
    """An object is gone; of a namespace also all that is in it, of a workload also its pods."""

    target: Object

    def __str__(self) -> str:
        return f"delete {self.target}"


@dataclass(frozen=True, slots=True)
class Label:
    """Labels of a pod, namespace, node, or of a workload's pods are set; taken away where the value is None."""

    target: Object
    labels: Mapping[str, str | None] = field(hash=False)

    def __str__(self) -> str:
        changes = (f"{key}-" if value is None else f"{key}={value}" for key, value in self.labels.items())
        return f"label {self.target} {','.join(changes)}"


@dataclass(frozen=True, slots=True)
class Scale:
    """A workload has this many pods."""

    target: Object
    replicas: int

    def __str__(self) -> str:
        return f"scale {self.target}={self.replicas}"


@dataclass(frozen=True, slots=True)
class Move:
    """An object is in another namespace, with its pods where it is a workload; of a namespace, all that is in it."""

    target: Object
    namespace: str

    def __str__(self) -> str:
        return f"move {self.target}={self.namespace}"


@dataclass(frozen=True, slots=True)
class NewPod:
    """A pod that is not there yet, with no address yet."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(hash=False)

    def __str__(self) -> str:
        return f"new-pod {self.namespace}/{self.name} {','.join(f'{key}={value}' for key, value in self.labels.items())}"


@dataclass(frozen=True, slots=True)
class NodeRun:
    """The captured state of a node, or of a namespace on it (``node/namespace``), is as after this command; nothing is run."""

    place: str
    command: str

    def __str__(self) -> str:
        return f"on {self.place}: {self.command}"


Edit: TypeAlias = Apply | Delete | Label | Scale | Move | NewPod | NodeRun


def place_of(edit: Edit) -> Span:
    """The place that stands for what an edit makes."""
    return Span(f"({edit})", 1)


def object_named(text: str, what: str) -> Object:
    """``KIND/NS/NAME``, or ``KIND/NAME`` for kinds without a namespace."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise EditError(f"{what} wants KIND/NAMESPACE/NAME (KIND/NAME for what is in no namespace), not {text!r}")
    return Object(parts[0], parts[1] if len(parts) == 3 else "", parts[-1])


def delete(text: str) -> Delete:
    """``--delete KIND/NS/NAME``."""
    return Delete(object_named(text, "--delete"))


def label(target: str, text: str) -> Label:
    """``--label NS/POD k=v,k2=v2,k3-``; the target may also be ``ns:NAME``, ``node:NAME``, or a workload ``deploy:NS/NAME``."""
    return Label(labelled(target), pairs(text, "--label"))


def labelled(text: str) -> Object:
    """What labels are set of."""
    kind, colon, rest = text.partition(":")
    parts = (rest if colon else text).split("/")
    if not colon and len(parts) == 2 and all(parts):
        return Object("Pod", parts[0], parts[1])
    if colon and kind and all(parts) and len(parts) == (1 if spellings(kind)[0] in ("namespace", "node") else 2):
        return Object(kind, parts[0] if len(parts) == 2 else "", parts[-1])
    raise EditError(f"--label wants NS/POD, ns:NAME, node:NAME or deploy:NS/NAME, not {text!r}")


def pairs(text: str, what: str) -> dict[str, str | None]:
    """Labels; ``key-`` takes one away."""
    found: dict[str, str | None] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            key = key.removesuffix("-") if key.endswith("-") else ""
        if not LABEL.fullmatch(key) or not VALUE.fullmatch(value):
            raise EditError(f"{what} wants labels such as app=web,tier=front (and key- to take one away), not {part!r}")
        found[key] = value if equals else None
    if not found and what == "--label":
        raise EditError("--label wants labels such as app=web,tier=front (and key- to take one away)")
    return found


def scale(text: str) -> Scale:
    """``--scale KIND/NS/NAME=N``."""
    target, equals, count = text.rpartition("=")
    if not equals or not count.isdecimal() or int(count) > 10_000:
        raise EditError(f"--scale wants KIND/NAMESPACE/NAME=N with N up to 10000, not {text!r}")
    return Scale(object_named(target, "--scale"), int(count))


def move(text: str) -> Move:
    """``--move KIND/NS/NAME=NEWNS``, ``--move ns/NAME=NEWNS``."""
    target, equals, namespace = text.rpartition("=")
    if not equals or not NAME.fullmatch(namespace):
        raise EditError(f"--move wants KIND/NAMESPACE/NAME=NAMESPACE, not {text!r}")
    return Move(object_named(target, "--move"), namespace)


def new_pod(target: str, text: str) -> NewPod:
    """``--new-pod NS/NAME k=v,…``."""
    namespace, slash, name = target.partition("/")
    if not slash or not NAME.fullmatch(namespace) or not NAME.fullmatch(name):
        raise EditError(f"--new-pod wants NAMESPACE/NAME, not {target!r}")
    labels = pairs(text, "--new-pod")
    if any(value is None for value in labels.values()):
        raise EditError("--new-pod wants labels with values, such as app=web")
    return NewPod(namespace, name, {key: value or "" for key, value in labels.items()})
