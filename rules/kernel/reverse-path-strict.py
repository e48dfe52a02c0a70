"""Strict reverse path filtering drops packets whose way back leaves by another device.

## What it finds
An interface of a node with `rp_filter` 1 (the larger of `conf.all` and the device's own; 2 is loose), on which packets of a pod come in, while the
node's route back to that pod leads to another device; or on which the default route leads in, while a routing rule leads what one of the node's pods sends out by
another device (AWS: pods on further network interfaces), so that what arrives for the pod through a node port is dropped. Also strict filtering on the interfaces of Cilium, which need 0.

## Why it matters
The kernel drops such packets as martians, without a trace but a counter (`TcpExtIPReversePathFilter`).

## Example
    net.ipv4.conf.eth1.rp_filter = 1       # pods of n2 arrive on eth1, and the route back to them is via eth0

## How to mend
Make the routes symmetric, or set `rp_filter` to 2 (loose) or 0 on that interface and in `conf.all` (systemd's 50-default.conf sets it).

## Sources
fib_validate_source (net/ipv4/fib_frontend.c), IN_DEV_RPFILTER takes the maximum (include/linux/inetdevice.h); the addresses are looked up swapped, after the translation of
the destination, and with the packet's mark only where `src_valid_mark` is 1; cilium/cilium#10645, amazon-vpc-cni-k8s#75.
"""

from collections.abc import Iterator

from analyzer.query.plan import default_devices
from analyzer.query.state import pods_on, roots
from analyzer.query.tables import main_route
from analyzer.query.tunnels import RouteTable, Vxlan, addresses_by, host_ends
from analyzer.rule import Address, Attachment, Finding, Interface, Namespace, Network, Rule, Severity, Span

CILIUM = ("lxc", "cilium_host", "cilium_net", "cilium_vxlan")


def check(network: Network) -> Iterator[Finding]:
    nodes = list(roots(network))
    pods = {root.scope: one_pod(network, root) for root in nodes}
    tables = {root.scope: RouteTable.of(root) for root in nodes}
    for root in nodes:
        yield from own_pods(network, root)
        yield from cilium(root)
        yield from policy_routed(root)
        for other in nodes:
            mine, theirs = pods[root.scope], pods[other.scope]
            if other is not root and mine and theirs and filtering(root):
                yield from between(network, tables[other.scope], tables[root.scope], theirs, mine)


def one_pod(network: Network, root: Namespace) -> tuple[Attachment, Address] | None:
    """A pod of the node with an IPv4 address, to stand for all."""
    found = ((pod, address) for pod in pods_on(network, root.scope.node) for address in pod.addresses if address.family == 4)
    return next(found, None)


def filtering(root: Namespace) -> bool:
    """Whether strict filtering is set anywhere on the node."""
    return any(key.endswith(".rp_filter") and fact.value == "1" for key, fact in root.sysctls.items())


def strict(root: Namespace, device: str) -> tuple[Span, str] | None:
    """Where strict filtering is set for a device; None when it is loose, off, or not known."""
    every, own = root.sysctls.get("net.ipv4.conf.all.rp_filter"), root.sysctls.get(f"net.ipv4.conf.{device}.rp_filter")
    if every is None or own is None or max(every.value, own.value) != "1":
        return None
    fact = own if own.value == "1" else every
    return fact.at, f"{fact.key} = 1"


def own_pods(network: Network, root: Namespace) -> Iterator[Finding]:
    told = set()
    for end in host_ends(network, root):
        device = end.device.name
        for address in addresses_by(network, end):
            back = main_route(root, address) if address.family == 4 else None
            found = strict(root, device)
            if back is None or found is None or device in told or back.kind != "unicast":
                continue
            if device not in {hop.device for hop in back.next_hops}:
                told.add(device)
                yield finding(root, found, device, f"{end.pod.name} ({address})", back.at, len(root.rules.get(4, ())) == 3)


def between(
    network: Network, there: RouteTable, here: RouteTable, source: tuple[Attachment, Address], target: tuple[Attachment, Address]
) -> Iterator[Finding]:
    """What a pod of another node sends here, and the way back to it."""
    sender, root = there.root, here.root
    out, back = there.find(target[1]), here.find(source[1])
    if out is None or back is None or len(out.next_hops) != 1 or back.kind != "unicast":
        return
    device = arrival(network, sender, root, out.next_hops[0].device or "")
    found = strict(root, device) if device else None
    if found is not None and device is not None and device not in {hop.device for hop in back.next_hops}:
        certain = len(root.rules.get(4, ())) == 3 and "ip-rule/4" not in root.missing
        yield finding(root, found, device, f"{source[0].name} ({source[1]}) on {sender.scope.node}", back.at, certain)


def arrival(network: Network, sender: Namespace, root: Namespace, device: str) -> str | None:
    """The device on which the node receives what the sender sends by a device; None where that is not known."""
    link = sender.links.get(device)
    match link.kind if link else None:
        case Vxlan(identifier=int() as identifier):
            same = (one.name for one in root.links.values() if isinstance(one.kind, Vxlan) and one.kind.identifier == identifier)
            return next(same, None)
        case _:
            segment = network.segment_of.get(Interface(sender.scope, device))
            members = segment.members if segment else ()
            return next((at.device for at in members if at.scope == root.scope), None)


def cilium(root: Namespace) -> Iterator[Finding]:
    """One finding for all of Cilium's interfaces of a node."""
    mine = [(name, link, found) for name, link in root.links.items() if name.startswith(CILIUM) and (found := strict(root, name))]
    for name, link, found in mine[:1]:
        more = f" and {len(mine) - 1} more interfaces" if len(mine) > 1 else ""
        yield RULE.finding(
            found[0],
            f"{root.scope.node} filters strictly on {name}{more} ({found[1]}), where Cilium needs rp_filter 0",
            related=[(link.at, f"{name} carries the traffic of pods")],
            help="set net.ipv4.conf.*.rp_filter to 0 for Cilium's interfaces in the last file of /etc/sysctl.d",
            severity=Severity.WARNING,
        )


def policy_routed(root: Namespace) -> Iterator[Finding]:
    """Devices that node ports are reached by, where a rule leads what a pod sends to another device: one finding for each."""
    held, tables = {fact.address for fact in root.addresses}, root.routes.get(4, {})
    told: set[str] = set()
    for rule in root.rules.get(4, ()):
        source = rule.source
        if source is None or source.length < 32 or rule.mark is not None or rule.inverted or not isinstance(rule.table, int):
            continue
        pod = Address(4, source.value)
        out = {hop.device for route in tables.get(rule.table, ()) if not route.destination.length for hop in route.next_hops}
        for device in sorted(default_devices(root) - out - told) if out and pod not in held else ():
            found = strict(root, device)
            if found is not None and not marked(root, device):
                told.add(device)
                yield RULE.finding(
                    found[0],
                    f"{root.scope.node} drops what comes in on {device} through a node port for {pod}: {found[1]}, and what {pod} sends leaves by "
                    f"{', '.join(sorted(map(str, out)))}",
                    related=[(rule.at, f"the rule for what {pod} sends")],
                    help=f"on {root.scope.node}: sysctl -w net.ipv4.conf.{device}.rp_filter=2",
                    certain=main_route(root, pod) is not None and "ip-route/4" not in root.missing,
                )


def marked(root: Namespace, device: str) -> bool:
    """Whether the packet's mark, which a rule may ask for, counts in the look-up (IN_DEV_SRC_VMARK: either of the two switches)."""
    return "1" in {root.sysctl(f"net.ipv4.conf.{name}.src_valid_mark") for name in ("all", device)}


def finding(root: Namespace, found: tuple[Span, str], device: str, pod: str, back: Span, certain: bool) -> Finding:
    return RULE.finding(
        found[0],
        f"{root.scope.node} drops what comes from {pod} on {device}: {found[1]}, and the route back leaves by another device",
        related=[(back, "the route back")],
        help=f"on {root.scope.node}: sysctl -w net.ipv4.conf.{device}.rp_filter=2, or make the routes symmetric",
        certain=certain,
    )


RULE = Rule("reverse-path-strict", Severity.ERROR, __doc__, check)
