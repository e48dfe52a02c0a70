"""Captures that other tools make: how each is told by the places of its files, which of them are never read, and what a capture of its kind lacks.

The names are those of the tools: sos (``sos/report/plugins``), OpenShift's must-gather (``collection-scripts``), cilium-cli's sysdump and cilium-bugtool, calicoctl
(``commands/node/diags.go``, ``commands/cluster/diags.go``), antctl (``pkg/support``), subctl (``internal/gather``), ``kubectl ko log``, ``kubectl cluster-info dump``,
Rancher's and EKS's log collectors, KubeSkoop's collector, ``kind export logs`` and the Insights operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analyzer.source import Gap, Source, Span

REACH = ("pod-to-pod", "node-to-pod", "pod-to-service", "outside-to-service")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that a kind of capture lacks, in words; ``there`` says whether the sources of the whole input have it all the same.
    ``open``: the guarantees that cannot be decided without it. ``settled``: what says it."""

    words: str
    open: tuple[str, ...]
    settled: str
    there: Callable[[Sequence[Source]], bool]


def of_kind(*kinds: str, inside: bool = False) -> Callable[[Sequence[Source]], bool]:
    """Whether a source of one of the kinds is there; ``inside``: about a namespace that is not a node's own."""

    def there(sources: Sequence[Source]) -> bool:
        return any(source.kind in kinds and (not inside or bool(source.scope and source.scope.namespace)) for source in sources)

    return there


def object_of(kind: str) -> Callable[[Sequence[Source]], bool]:
    """Whether an object, or a list of objects, of the kind is among those of Kubernetes."""
    pattern = re.compile(rf'\bkind"?\s*:\s*"?{kind}(List)?"?\s*(,|$|\}})', re.MULTILINE)

    def there(sources: Sequence[Source]) -> bool:
        return any(source.kind == "kubernetes" and pattern.search(source.text) is not None for source in sources)

    return there


COLLECT = "`analyze collect` on each node"
NODES = Part("state of nodes (interfaces, routes, rulesets)", REACH, COLLECT, of_kind("ip-addr", "ifconfig"))
REST = Part(
    "rulesets, routing rules, neighbours and kernel switches of nodes",
    REACH,
    COLLECT,
    lambda sources: not NODES.there(sources) or of_kind("iptables-save", "iptables-list", "nft")(sources),
)
PODS = Part(
    "pods' network namespaces",
    ("pod-to-pod", "container-to-container", "pod-sees-its-own-address"),
    COLLECT,
    of_kind("ip-addr", inside=True),
)
OBJECTS = Part(
    "objects of Kubernetes",
    ("pod-to-service", "unique-pod-addresses", "unique-pod-cidrs", "policy-enforced"),
    "`kubectl get … -A -o yaml`",
    object_of("(?:Node|Pod|Service)"),
)
NEIGHBOURS = Part("neighbours", ("pod-to-pod",), "`ip neigh`", of_kind("ip-neigh"))
FORWARDING = Part("forwarding entries of bridges and tunnels", ("pod-to-pod",), "`bridge fdb`", of_kind("bridge-fdb"))
RULES = Part("routing rules", REACH, "`ip rule`", of_kind("ip-rule"))
SWITCHES = Part("kernel switches", REACH, "`sysctl -a`", of_kind("sysctl"))
SLICES = Part("EndpointSlices", ("pod-to-service",), "`kubectl get endpointslices -A -o yaml`", object_of("EndpointSlice"))
POLICIES = Part("NetworkPolicies", ("policy-enforced",), "`kubectl get networkpolicies -A -o yaml`", object_of("NetworkPolicy"))


@dataclass(frozen=True, slots=True)
class CaptureKind:
    """A kind of capture: its name, what in the place of a file tells it, and the parts that it lacks. ``per_node``: each node has its own."""

    name: str
    sign: re.Pattern[str]
    lacks: tuple[Part, ...]
    per_node: bool = False


BEGIN = "(?:^|/)"


def kind(name: str, sign: str, *lacks: Part, per_node: bool = False) -> CaptureKind:
    """A kind of capture; the sign may stand anywhere in a place, at the beginning of a folder's or file's name."""
    return CaptureKind(name, re.compile(f"{BEGIN}(?:{sign})"), lacks, per_node)


DUMP = "cluster-info dump"
KINDS: tuple[CaptureKind, ...] = (
    kind("sosreport", r"sos_commands/", PODS, OBJECTS, per_node=True),
    kind("must-gather", r"(?:cluster-scoped-resources/[\w.-]+/|network_logs/|sos_info/networking/)", NODES, REST, PODS),
    kind("cilium sysdump", r"cilium-sysdump-[^/]*/|k8s-(?:nodes|pods)-\d[\w-]*\.ya?ml$", NODES, PODS),
    kind(
        "cilium-bugtool archive", r"cmd/(?:ip-|iptables|cilium-|sysctl|tc-)[^/]*\.md$", PODS, FORWARDING, OBJECTS, per_node=True
    ),
    kind(
        "calicoctl node diags",
        r"diagnostics/(?:ipv[46]_\w+|ipsets?|nft_ruleset)$",
        PODS,
        RULES,
        NEIGHBOURS,
        SWITCHES,
        OBJECTS,
        per_node=True,
    ),
    kind(
        "calicoctl cluster diags",
        r"nodes/[^/]+/(?:iptables-(?:legacy|nft)-save|ip-(?:route|rule|neigh))\.txt$",
        PODS,
        FORWARDING,
        SWITCHES,
    ),
    kind("antrea support bundle", r"(?:agentinfo|ovsports|memberlist)$", PODS, NEIGHBOURS, SWITCHES, OBJECTS, per_node=True),
    kind("submariner gather", r"[^/]+_(?:ip-routes|ip-rules|ip-[al]|sysctl-a)\.log$", PODS, NEIGHBOURS, FORWARDING, OBJECTS),
    kind("log of kubectl ko", r"kubectl-ko-log[^/]*/", PODS, RULES, SWITCHES, OBJECTS),
    kind(
        "Rancher log collection", r"networking/(?:iptablessave|ipaddrshow|ipneighbour)$", PODS, FORWARDING, OBJECTS, per_node=True
    ),
    kind(
        "EKS log collection",
        r"(?:networking/iptables-save\.txt|ipamd/\w+\.(?:json|txt))$",
        NODES,
        PODS,
        NEIGHBOURS,
        OBJECTS,
        per_node=True,
    ),
    kind("KubeSkoop collector's file", r"kubeskoop/nodes/[^/]+/ip_rule$", OBJECTS, per_node=True),
    kind(DUMP, r"(?:[^/]+/replication-controllers\.(?:json|yaml))$", NODES, PODS, SLICES, POLICIES),
    kind("kind export logs", r"kind-version\.txt$", NODES, PODS, OBJECTS),
    kind("Insights archive", r"insights-operator/|config/node/[^/]+\.json$", NODES, PODS, SLICES, POLICIES),
    kind("AKS periscope capture", r"collector/(?:iptables|networkoutbound|kubeobjects|dns)/", NODES, PODS),
)
SIGNS = re.compile(f"{BEGIN}(?:{'|'.join(one.sign.pattern.removeprefix(BEGIN) for one in KINDS)})")
# Logs and listings for people: whatever stands in them is no state.
LOGS = re.compile(
    r"(?:^|/)(?:namespaces/[^/]+/pods/[^/]+/.+/logs/(?!dump_frr$)[^/]+|host_service_logs/.+|audit_logs/.+|[^/]+_logs_[^/]+|[^/]+/[^/]+/logs\.txt"
    r"|logs/(?:agent|ovs|controller|calico)[^/]*/.+|diagnostics/logs/.+|journal_calico_node|journalctl_calico_node"
    r"|(?:journal|kubelet|containerd|kubernetes|serial|alternatives)\.log|kubectl-ko-log[^/]*/[^/]+/(?:kube-ovn|ovn|openvswitch)/.+"
    r"|hubble-flows[^/]*|k8s-metrics-\d[^/]*|[^/]+_ip-rules-table150\.log|logs-[^/]+\.log|cilium-events-[^/]+|cni/log/.+)$"
)
# What the collectors leave beside a node's tables and is no table of the network.
BESIDE = re.compile(
    r"(?:^|/)nodes/[^/]+/(?:bpf-[^/]+(?:/.+)?|[^/]+/[^/]+\.(?:log|txt)|[^/]+\.log|lspci|lscpu|dmesg|proc_cmdline|ethtool_channels|sysinfo\.\w+|[a-z_]+\.json|version)$"
)

# What a node's tables are set to when it starts, as its own files say: what they are now may differ (nftables.service(8), iptables-persistent(8)).
SETTINGS = re.compile(
    r"etc/(?:nftables(?:\.conf|/.+)|(?:sysconfig|iptables|default|firewalld|ufw|network|netplan|NetworkManager|systemd)/.+"
    r"|(?:ip6?tables|ipset|ipvsadm|ebtables|arptables)[./][^/]+)"
)


POD_LOGS = re.compile(r"^==== START logs for container .*?^==== END logs for container [^\n]*", re.MULTILINE | re.DOTALL)
INSIGHTS = re.compile(r"(?:^|/)config/(node|pod)/[^/].*\.json$")
KIND_SAID = re.compile(r'^(?: {0,4}|\t)"kind"\s*:|\A\s*\{[^{}\[\]]*"kind"\s*:', re.MULTILINE)
CNI_FILE = re.compile(r"cniconf-(?P<pod>[a-z0-9.-]+?-[a-z0-9]{5})-(?P<file>.+)-\d{8}-\d{6}\.txt")


def without_logs(text: str) -> str:
    """What ``kubectl cluster-info dump`` prints without the logs of containers among the objects; every line keeps its number."""
    return (
        POD_LOGS.sub(lambda found: "\n" * found.group(0).count("\n"), text) if "==== START logs for container" in text else text
    )


def with_kind(place: str, text: str) -> str:
    """An object of an Insights archive with its kind, which there only its place says (``config/node/<name>.json``)."""
    found = INSIGHTS.search(place)
    if found is None or KIND_SAID.search(text):
        return text
    return text.replace("{", f'{{"apiVersion": "v1", "kind": "{found[1].capitalize()}", ', 1)


def kind_of(place: str) -> CaptureKind | None:
    """The kind of capture that a file belongs to; None where its place does not tell one."""
    return next((one for one in KINDS if one.sign.search(place)), None) if SIGNS.search(place) else None


def is_log(place: str) -> bool:
    """Whether a file is a log by its place in a capture."""
    return LOGS.search(place) is not None


def setting(name: str) -> bool:
    """Whether a file, by its name from the node's folder, is a setting of tables and not what these hold."""
    return SETTINGS.fullmatch(name) is not None


def beside(place: str) -> bool:
    """Whether a file below ``nodes/`` is known not to be a table of the network."""
    return BESIDE.search(place) is not None


def notes(found: Mapping[str, tuple[str, int]], sources: Sequence[Source]) -> list[Gap]:
    """What captures of the kinds that were found lack, one note for each kind. ``found``: by the name of a kind, its first file and how many captures
    there are. What another capture of the same input has is not said."""
    result = []
    for one in KINDS:
        if one.name in found:
            path, count = found[one.name]
            absent = [part for part in one.lacks if not part.there(sources)]
            if absent:
                result.append(Gap(Span(path, 1), f"{named(one.name, count)} {listed(absent)}"))
    return result


def named(name: str, count: int) -> str:
    """``a must-gather has no``, ``3 captures (sosreport) have no``."""
    if count > 1:
        return f"{count} captures ({name}) have no"
    article = "" if name.endswith(("s", "diags")) else "an " if name[0] in "aeiouEIAO" else "a "
    return f"{article}{name} {'have' if not article else 'has'} no"


def listed(parts: Sequence[Part]) -> str:
    """The parts, the guarantees that they leave open, and what settles them, each once."""
    guarantees = dict.fromkeys(name for part in parts for name in part.open)
    settled = dict.fromkeys(part.settled for part in parts)
    words = ", no ".join(part.words for part in parts)
    return f"{words}: what {', '.join(guarantees)} rest on there is not known; {', '.join(settled)} would tell"
