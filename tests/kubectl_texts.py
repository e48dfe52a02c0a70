"""What kubectl prints of objects, written from its printers (pkg/printers/internalversion/printers.go, k8s.io/kubectl/pkg/describe): tables and descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
MOST = 3


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells padded to one width, three blanks apart (tabwriter)."""
    every = [list(titles), *map(list, rows)]
    widths = [max(len(row[index]) for row in every) + 3 for index in range(len(titles))]
    return "".join("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in every)


def meta(item: Object, key: str) -> Any:
    """A field of the metadata."""
    return item["metadata"].get(key)


def home(item: Object) -> str:
    """The namespace."""
    return meta(item, "namespace") or "default"


def pods(items: Iterable[Object], labels: bool = False) -> str:
    """``kubectl get pods -A -o wide``, with ``--show-labels``."""
    titles = ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    rows = []
    for item in items:
        status = item.get("status") or {}
        phase = status.get("phase") or "Running"
        phase = "Completed" if phase == "Succeeded" else phase
        address, node = status.get("podIP") or "<none>", item["spec"].get("nodeName") or "<none>"
        row = [home(item), meta(item, "name"), "1/1", phase, "2 (3h ago)", "5d", address, node, "<none>", "<none>"]
        shown = ",".join(f"{key}={value}" for key, value in (meta(item, "labels") or {}).items()) or "<none>"
        rows.append([*row, shown] if labels else row)
    return table([*titles, "LABELS"] if labels else titles, rows)


def nodes(items: Iterable[Object]) -> str:
    """``kubectl get nodes -o wide``."""
    titles = ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION"]
    rows = []
    for item in items:
        given = (item.get("status") or {}).get("addresses") or []
        own = next((one["address"] for one in given if one["type"] == "InternalIP"), "<none>")
        rows.append([meta(item, "name"), "Ready", "<none>", "5d", "v1.31.1", own, "<none>", "Ubuntu 22.04.4 LTS", "5.15.0-1"])
    return table(titles, rows)


def services(items: Iterable[Object]) -> str:
    """``kubectl get svc -A -o wide``."""
    rows = []
    for item in items:
        spec = item["spec"]
        ports = ",".join(
            f"{port['port']}:{port['nodePort']}/{port.get('protocol', 'TCP')}"
            if port.get("nodePort")
            else f"{port['port']}/{port.get('protocol', 'TCP')}"
            for port in spec.get("ports") or ()
        )
        chosen = ",".join(f"{key}={value}" for key, value in (spec.get("selector") or {}).items())
        address = spec.get("clusterIP") or "<none>"
        row = [home(item), meta(item, "name"), spec.get("type", "ClusterIP"), address, "<none>", ports or "<none>", "5d"]
        rows.append([*row, chosen or "<none>"])
    return table(["NAMESPACE", "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"], rows)


def endpoints(items: Iterable[Object]) -> str:
    """``kubectl get endpoints -A``: of Endpoints, and of slices as the Endpoints that they are made of."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in items:
        name = meta(item, "name") if item["kind"] == "Endpoints" else meta(item, "labels")["kubernetes.io/service-name"]
        pairs = found.setdefault((home(item), name), [])
        if item["kind"] == "Endpoints":
            for subset in item.get("subsets") or ():
                for port in subset.get("ports") or ():
                    pairs += [joined(one["ip"], port["port"]) for one in subset.get("addresses") or ()]
            continue
        for port in item.get("ports") or ():
            for one in item.get("endpoints") or ():
                if (one.get("conditions") or {}).get("ready") is not False:
                    pairs.append(joined(one["addresses"][0], port["port"]))
    rows = [[*key, shortened(pairs), "5d"] for key, pairs in found.items()]
    return table(["NAMESPACE", "NAME", "ENDPOINTS", "AGE"], rows)


def joined(host: str, port: int) -> str:
    """net.JoinHostPort."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shortened(pairs: Sequence[str]) -> str:
    """``formatEndpoints``."""
    more = f" + {len(pairs) - MOST} more..." if len(pairs) > MOST else ""
    return ",".join(pairs[:MOST]) + more if pairs else "<none>"


def policy(item: Object, ranges: bool = True) -> str:
    """``kubectl describe networkpolicy``. ``ranges``: as kubectl does it that knows endPort."""
    spec = item["spec"]
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    chosen = selector(spec.get("podSelector") or {})
    none = "<none> (Allowing the specific traffic to all pods in this namespace)"
    lines = [f"Name:         {meta(item, 'name')}", f"Namespace:    {home(item)}", "Created on:   2024-03-04 10:11:12 +0000 UTC"]
    lines += [
        "Labels:       <none>",
        "Annotations:  <none>",
        "Spec:",
        f"  PodSelector:     {none if chosen == '<none>' else chosen}",
    ]
    for name, key in (("Ingress", "from"), ("Egress", "to")):
        word = name.lower()
        if name not in types:
            lines.append(f"  Not affecting {word} traffic")
            continue
        lines.append(f"  Allowing {word} traffic:")
        lines += rules(spec.get(word) or [], word, key, ranges)
    return "\n".join([*lines, f"  Policy Types: {', '.join(types)}", ""])


def rules(given: Sequence[Object], word: str, key: str, ranges: bool) -> list[str]:
    """``printNetworkPolicySpecIngressFrom`` and ``…EgressTo``."""
    if not given:
        return [f"    <none> (Selected pods are isolated for {word} connectivity)"]
    lines = []
    title, about = ("From", "source") if key == "from" else ("To", "destination")
    for index, rule in enumerate(given):
        lines += [f"    {text}" for text in ports(rule, ranges)]
        if not rule.get(key):
            lines.append(f"    {title}: <any> (traffic not restricted by {about})")
        for peer in rule.get(key) or ():
            lines.append(f"    {title}:")
            if "ipBlock" in peer:
                lines += ["      IPBlock:", f"        CIDR: {peer['ipBlock']['cidr']}"]
                lines.append(f"        Except: {', '.join(peer['ipBlock'].get('except') or ())}")
            for field in ("namespaceSelector", "podSelector"):
                if peer.get(field) is not None:
                    lines.append(f"      {field[0].upper()}{field[1:]}: {selector(peer[field])}")
        lines += ["    ----------"] if index < len(given) - 1 else []
    return lines


def ports(rule: Object, ranges: bool) -> list[str]:
    """The ports of a rule."""
    if not rule.get("ports"):
        return ["To Port: <any> (traffic allowed to all ports)"]
    found = []
    for port in rule["ports"]:
        protocol = port.get("protocol", "TCP")
        if ranges and port.get("endPort"):
            found.append(f"To Port Range: {port['port']}-{port['endPort']}/{protocol}")
        else:
            found.append(f"To Port: {port.get('port', '<nil>')}/{protocol}")
    return found


def selector(given: Object) -> str:
    """``metav1.FormatLabelSelector``: requirements by key."""
    found = {key: f"{key}={value}" for key, value in (given.get("matchLabels") or {}).items()}
    for one in given.get("matchExpressions") or ():
        key, values = one["key"], ",".join(sorted(one.get("values") or ()))
        texts = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}
        found[f"{key} {one['operator']}"] = texts[one["operator"]]
    return ",".join(found[key] for key in sorted(found)) or "<none>"


def policies(items: Iterable[Object]) -> str:
    """``kubectl get networkpolicy -A``."""
    rows = [[home(item), meta(item, "name"), selector(item["spec"].get("podSelector") or {}), "5d"] for item in items]
    return table(["NAMESPACE", "NAME", "POD-SELECTOR", "AGE"], rows)


def service(item: Object, slices: Iterable[Object], internal: bool = True) -> str:
    """``kubectl describe svc``; ``internal``: as kubectl does it that shows internalTrafficPolicy."""
    spec, own = item["spec"], list(slices)
    lines = [
        f"Name:                     {meta(item, 'name')}",
        f"Namespace:                {home(item)}",
        "Labels:                   <none>",
    ]
    lines += ["Selector:                 <none>", f"Type:                     {spec.get('type', 'ClusterIP')}"]
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    lines += [f"IP:                       {addresses[0]}", f"IPs:                      {','.join(addresses)}"]
    for port in spec.get("ports") or ():
        pairs = [
            joined(one["addresses"][0], number["port"])
            for part in own
            for number in part.get("ports") or ()
            if (number.get("name") or "") == (port.get("name") or "")
            for one in part.get("endpoints") or ()
            if (one.get("conditions") or {}).get("ready") is not False
        ]
        protocol = port.get("protocol", "TCP")
        lines += [f"Port:                     {port.get('name') or '<unset>'}  {port['port']}/{protocol}"]
        lines += [f"TargetPort:               {port.get('targetPort', port['port'])}/{protocol}"]
        lines += [f"Endpoints:                {shortened(pairs)}"]
    lines += ["Session Affinity:         None"]
    if internal:
        lines += [f"Internal Traffic Policy:  {spec.get('internalTrafficPolicy') or 'Cluster'}"]
    return "\n".join([*lines, "Events:                   <none>", ""])
