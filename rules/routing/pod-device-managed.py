"""NetworkManager or systemd-networkd manages a device that the network system makes for pods.

## What it finds
The host's end of a pod's interface, a bridge that a plugin makes for pods (`cni0`), a tunnel's device or `kube-ipvs0` that `nmcli device status` shows as connected or connecting by a
profile of its own, or of which `networkctl list` says that networkd configures it. Devices that are unmanaged, or `connected (externally)`, are left alone; so are bridges that others
made and pods are attached to.

## Why it matters
These programs set a device as their own profile has it: they take away addresses and routes that they do not know, ask DHCP there, or give up and set it down. Pods lose their
route or address minutes after they started, or whenever the program is started again, and nothing of the network system tells why.

## Example
    $ nmcli device status
    DEVICE       TYPE      STATE                                  CONNECTION
    cali12ab34   ethernet  connecting (getting IP configuration)  Wired connection 1

## How to mend
For NetworkManager a file in `/etc/NetworkManager/conf.d/`: `[keyfile]` with `unmanaged-devices=interface-name:cali*;interface-name:cni*;…`. For networkd, a `[Match]` in each `.network` file that
names the host's own devices (`Name=en*`, `Kind=!veth`), or a file for the others with `[Link] Unmanaged=yes`. Then start the network system's agent again.

## Sources
projectcalico/calico#2471, poseidon/typhoon#1007, nmstate/kubernetes-nmstate#701, coreos/fedora-coreos-tracker#929; Calico, Configure NetworkManager; NetworkManager.conf(5), systemd.network(5).
"""

import re
from collections.abc import Iterator

from analyzer.query.pod_devices import pod_devices
from analyzer.query.state import BRIDGES, roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

OF_SYSTEMS = re.compile(
    r"kube-ipvs0|tunl0|flannel(-v6)?\.\d+|vxlan(-v6)?\.calico|wireguard\.cali|cilium_\w+|nodelocaldns|weave|datapath"
)


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if root.managed:
            yield from taken(network, root)


def taken(network: Network, root: Namespace) -> Iterator[Finding]:
    """Devices of pods and of network systems that others manage."""
    known = pod_devices(network, root)
    for fact in root.managed:
        found = known.get(fact.device)
        of_pod = found is not None and (found.end or fact.device in BRIDGES)
        if not fact.managed or not (of_pod or OF_SYSTEMS.fullmatch(fact.device)):
            continue
        what = "the host's end of a pod's interface" if found is not None and found.end else "which the network system makes"
        by = f", by {fact.profile!r}" if fact.profile else ""
        yield RULE.finding(
            fact.at,
            f"{fact.manager} of {root.scope.node} manages {fact.device}, {what} ({fact.state}{by})",
            help=f"tell {fact.manager} to leave {fact.device} and its like alone",
        )


RULE = Rule("pod-device-managed", Severity.WARNING, __doc__, check)
