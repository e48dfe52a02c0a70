"""What takes part in the network and stands in no capture: programs that ``tc`` does not list.

Cilium attaches its programs by tcx links where the kernel has them (since 1.16, pkg/datapath/loader/tcx.go); ``tc filter show`` then lists none. Calico's eBPF
mode does the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analyzer.facts.links import LinkFact
from analyzer.facts.system import FilterFact, OtherAction
from analyzer.source import Scope

# The device by which a datapath is known, and the beginnings of the names of those that its programs are on.
DATAPATHS: Mapping[str, tuple[str, ...]] = {
    "cilium_host": ("cilium_", "lxc"),
    "bpfin.cali": ("bpfin.cali", "bpfout.cali", "cali", "vxlan.calico"),
}


def programs(links: Mapping[str, LinkFact], filters: Sequence[FilterFact], scope: Scope) -> Iterator[FilterFact]:
    """Filters that stand for programs that tc does not list: on the devices of Cilium or Calico without any listed filter, and on those that
    lead out of the node."""
    owner = next((device for device in DATAPATHS if device in links and not scope.namespace), None)
    if owner is None or any(fact.classifier == "bpf" for fact in filters):
        return
    listed = {fact.device for fact in filters}
    for name, link in sorted(links.items()):
        if name not in listed and (name.startswith(DATAPATHS[owner]) or is_uplink(link)):
            for hook in ("ingress", "egress"):
                yield FilterFact(
                    at=link.at,
                    scope=scope,
                    device=name,
                    hook=hook,
                    preference=0,
                    protocol="all",
                    classifier="bpf",
                    everything=True,
                    actions=(OtherAction("bpf", "not listed by tc"),),
                )


def is_uplink(link: LinkFact) -> bool:
    """Whether a device is one of hardware: an Ethernet device of no kind."""
    return link.kind is None and link.link_type == "ether" and link.peer_index is None and link.detailed
