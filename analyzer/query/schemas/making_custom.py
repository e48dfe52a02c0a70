"""Makes ``custom.json``: ``python -m analyzer.query.schemas.making_custom FOLDER…``, where the folders hold CustomResourceDefinitions as their projects publish them
(``*.yaml``), and the types of Kubernetes' configuration files and of Kube-OVN as Go sources (``*.go`` in a folder named for the version).

Several releases of a project may be given: a kind then has the fields of all of them, and requires what all require. In Go, and in fields with a default, nothing is required.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

KINDS = frozenset(
    {
        "BGPAdvertisement", "BGPConfiguration", "BGPFilter", "BGPPeer", "CiliumBGPAdvertisement", "CiliumBGPClusterConfig", "CiliumBGPPeerConfig",
        "CiliumBGPPeeringPolicy", "CiliumEgressGatewayPolicy", "CiliumL2AnnouncementPolicy", "CiliumLoadBalancerIPPool", "CiliumPodIPPool", "DestinationRule",
        "FelixConfiguration", "GRPCRoute", "Gateway", "GatewayClass", "HTTPRoute", "IPAMConfig", "IPAddressPool", "IPPool", "IPReservation",
        "KubeControllersConfiguration", "L2Advertisement", "NetworkAttachmentDefinition", "PodMonitor", "ReferenceGrant", "ServiceEntry", "ServiceMonitor", "TCPRoute", "TLSRoute",
        "UDPRoute", "VirtualService",
    }
)  # fmt: skip
ALSO = {"crd.projectcalico.org/v1": "projectcalico.org/v3"}
"""Under which version the same kinds are served too."""
HEAD = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
"""What every object has, whether a schema says so or not."""
CONFIGURATIONS = {
    "v1alpha1/KubeProxyConfiguration": "kubeproxy.config.k8s.io/v1alpha1",
    "v1beta1/KubeletConfiguration": "kubelet.config.k8s.io/v1beta1",
    **{
        f"{version}/{kind}": f"kubeadm.k8s.io/{version}"
        for version in ("v1beta3", "v1beta4")
        for kind in ("ClusterConfiguration", "InitConfiguration", "JoinConfiguration")
    },
    **{
        f"v1/{kind}": "kubeovn.io/v1"
        for kind in (
            "IP", "IPPool", "IptablesDnatRule", "IptablesEIP", "IptablesFIPRule", "IptablesSnatRule", "OvnEip", "ProviderNetwork", "Subnet", "Vlan", "Vpc",
            "VpcNatGateway",
        )
    },
}  # fmt: skip
"""The types in Go, by the folder of their source, with the group that serves them: Kubernetes' configuration files, and Kube-OVN's pkg/apis/kubeovn/v1."""
STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r'^\t(?:\w+\s+)?([\w.*\[\]]+)\s+`json:"(\w*)[\w,]*"', re.MULTILINE)
SIMPLE = {"string": "string", "bool": "boolean", "metav1.Duration": "string", "float64": "number"}


class Loader(yaml.CSafeLoader):
    """A loader to which ``=`` is a text."""


def as_text(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> str:
    """A scalar as it is written."""
    return str(loader.construct_scalar(node))


Loader.add_constructor("tag:yaml.org,2002:value", as_text)


class Types:
    """The types that were met, each once."""

    def __init__(self) -> None:
        self.every: list[dict[str, Any]] = []
        self.known: dict[str, int] = {}

    def number(self, fields: dict[str, Any], required: list[str]) -> int:
        """The number of a type."""
        made = {"fields": {key: [kind] for key, kind in sorted(fields.items())}, "required": sorted(required)}
        text = json.dumps(made, sort_keys=True)
        if text not in self.known:
            self.known[text] = len(self.every)
            self.every.append(made)
        return self.known[text]


def main(folders: list[Path]) -> None:
    """Writes the table."""
    schemas: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            for key, schema in definitions(path):
                schemas[key] = united(schemas[key], schema) if key in schemas else schema
    types = Types()
    kinds = {key: of_schema(schema, types) for key, schema in sorted(schemas.items())}
    for folder in folders:
        for place in sorted({path.parent for path in folder.rglob("*.go")}):
            text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(place.glob("*.go")))
            kinds.update(of_go(place.name, text, types))
    table = {"kinds": dict(sorted(kinds.items())), "types": types.every}
    target = Path(__file__).parent / "custom.json"
    target.write_text(json.dumps(table, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


def definitions(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """``apiVersion/kind`` with its schema, of each version of each definition in a file."""
    for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader):
        spec = document.get("spec") if isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition" else None
        if spec is None or spec["names"]["kind"] not in KINDS:
            continue
        for version in spec.get("versions", ()):
            schema = (version.get("schema") or {}).get("openAPIV3Schema")
            if schema:
                schema["properties"] = {**HEAD, **schema["properties"]}
                served = f"{spec['group']}/{version['name']}"
                for one in filter(None, (served, ALSO.get(served))):
                    yield f"{one}/{spec['names']['kind']}", schema


def united(one: Any, other: Any) -> Any:
    """Two schemas of a value as one that allows what either does."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    found = {**one, **other}
    if "properties" in one or "properties" in other:
        mine, theirs = one.get("properties") or {}, other.get("properties") or {}
        found["properties"] = {
            key: united(mine[key], theirs[key]) if key in mine and key in theirs else mine.get(key, theirs.get(key))
            for key in {**mine, **theirs}
        }
        found["required"] = sorted(set(one.get("required") or ()) & set(other.get("required") or ()))
    if "items" in one and "items" in other:
        found["items"] = united(one["items"], other["items"])
    return found


def of_schema(schema: dict[str, Any], types: Types) -> Any:
    """The type of a value: what a schema of the OpenAPI says of it."""
    if schema.get("x-kubernetes-int-or-string"):
        return "text-or-number"
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource"):
        return "any"
    kind = schema.get("type")
    if kind == "array":
        return [of_schema(schema.get("items") or {}, types)]
    if kind == "object" and schema.get("properties"):
        parts = schema["properties"]
        fields = {key: of_schema(part, types) for key, part in parts.items()}
        return types.number(
            fields, [key for key in schema.get("required") or () if "default" not in parts.get(key, {"default": 0})]
        )
    if kind == "object":
        more = schema.get("additionalProperties")
        return {"of": of_schema(more, types)} if isinstance(more, dict) else "any"
    return kind or "any"


def of_go(version: str, text: str, types: Types) -> Iterator[tuple[str, Any]]:
    """The same of the types of a Go source."""
    structs = {name: FIELD.findall(body) for name, body in STRUCT.findall(text)}
    for key, group in CONFIGURATIONS.items():
        folder, _, kind = key.partition("/")
        if folder == version and kind in structs:
            yield f"{group}/{kind}", of_struct(kind, structs, types)


def of_struct(name: str, structs: dict[str, list[tuple[str, str]]], types: Types) -> Any:
    """The type of a struct; what is embedded in it has its fields in place, if it is of the same source."""
    fields: dict[str, Any] = {}
    waiting = list(structs[name])
    while waiting:
        kind, key = waiting.pop()
        if key:
            fields[key] = of_name(kind, structs, types)
        elif kind.endswith("TypeMeta"):
            fields |= {"apiVersion": "string", "kind": "string"}
        elif kind.lstrip("*") in structs:
            waiting.extend(structs[kind.lstrip("*")])
        else:
            return "any"
    return types.number(fields, [])


def of_name(kind: str, structs: dict[str, list[tuple[str, str]]], types: Types) -> Any:
    """The type that a Go type is written as."""
    kind = kind.lstrip("*")
    if kind.startswith("[]"):
        return [of_name(kind[2:], structs, types)]
    if kind.startswith("map[string]"):
        return {"of": of_name(kind.removeprefix("map[string]"), structs, types)}
    if kind in structs:
        return of_struct(kind, structs, types)
    return "integer" if re.fullmatch(r"u?int\d*", kind) else SIMPLE.get(kind, "any")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
