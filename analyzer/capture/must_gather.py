"""What an OpenShift must-gather keeps by pod, and the outputs of several commands in one of its files.

After its ``collection-scripts``: ``gather_network_logs_basics`` names a zone's databases for the pod that had them, ``gather_sriov``, ``gather_frrk8s`` and ``gather_metallb`` put what
ran in a pod of a node's own network into the pod's folder, or beside its name (``ipsec/xfrm/<pod>_state.log``). ``###### show bgp ipv4`` stands before what ``vtysh`` said, ``> ip netns exec NAME ip a`` and ``> ethtool -k eth0`` before others.
"""

from __future__ import annotations

import re

DATABASE = "ovsdb-file"
ZONE = re.compile(r"(?:^|/)ovnk_database_store/(?P<pod>[a-z0-9][a-z0-9.-]*)_[ns]bdb$")
IPSEC = re.compile(r"(?:^|/)ipsec/xfrm/(?P<pod>[a-z0-9][a-z0-9.-]*)_(?:state|policy)\.log$")
POD = re.compile(
    r"(?:^|/)namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/]+)/(?:ip_link|netns_ip_a|ethtool|frr/frr/logs/(?:dump_frr|frr\.conf))$"
)
SEVERAL = re.compile(r"(?:^|/)(?:namespaces/.+/(?:dump_frr|netns_ip_a|ethtool)|nodes/[^/]+/ethtool_features)$")
COMMAND = re.compile(r"^(?:###### (?P<shown>show .+)|> (?P<ran>(?:ip|ethtool) .+))$", re.MULTILINE)


def pod_of(place: str) -> str:
    """The pod that a file is of, as ``namespace/name``; without the namespace where its name alone is said; empty where it is of none."""
    found = ZONE.search(place) or IPSEC.search(place)
    if found is not None:
        return f"/{found['pod']}"
    found = POD.search(place)
    return f"{found['namespace']}/{found['pod']}" if found else ""


def session(place: str, text: str) -> str | None:
    """The text with a prompt before each of its commands, every line at its number; None where the file has no such lines."""
    if SEVERAL.search(place) is None or COMMAND.search(text) is None:
        return None
    return COMMAND.sub(lambda found: f"$ vtysh -c '{found['shown']}'" if found["shown"] else f"$ {found['ran']}", text)
