"""The order in which the kernel keeps the devices of a namespace (``net->dev_base_head``), as ``inet_select_addr`` goes through it."""

from __future__ import annotations

from analyzer.facts.links import LinkFact
from analyzer.model.network import Namespace
from analyzer.model.wires import is_pair_end, leads_on

# What drivers make by themselves with each network namespace (net.core.fb_tunnels_only_for_init_net 0).
FALLBACK = frozenset({"tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0"})


def in_order(space: Namespace) -> list[LinkFact]:
    """The devices as they were registered (``list_netdevice``, net/core/dev.c): by index, since each new one gets the next (``dev_index_reserve``).

    One that was moved in keeps the index that it had elsewhere (``__dev_change_net_namespace``), and no listing shows when that was. The
    uplink of a node that is itself a container (kind, minikube, k3d) is such a device, of any index: it was there before the devices of
    pods and their networks, and after those that came with the namespace.
    """
    links = sorted(space.links.values(), key=lambda link: (link_index(link), link.name))
    uplink = next((link for link in links if moved_in(link) and leads_on(space, link.name)), None)
    if uplink is None:
        return links
    first = [
        link for link in links if "LOOPBACK" in link.flags or (link.name in FALLBACK and link_index(link) < link_index(uplink))
    ]
    return [*first, uplink, *(link for link in links if link is not uplink and link not in first)]


def moved_in(link: LinkFact) -> bool:
    """Whether a device may have been made in another namespace: the end of a pair whose other end is elsewhere."""
    return is_pair_end(link) and (link.netnsid is not None or link.netns_name is not None)


def link_index(link: LinkFact) -> int:
    """The index of a device; those without come last."""
    return link.index or 1 << 30
