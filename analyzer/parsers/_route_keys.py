"""The keys that ``ip -j route`` gives a route, and each of several next hops (iproute2 ip/iproute.c, print_route)."""

from __future__ import annotations

FLAGS = frozenset(
    {
        "onlink",
        "linkdown",
        "dead",
        "pervasive",
        "offload",
        "trap",
        "rt_offload",
        "rt_trap",
        "unresolved",
        "rt_offload_failed",
        "offload_failed",
        "notify",
        "cloned",
    }
)
JSON_KEYS = frozenset(
    [
        "type",
        "dst",
        "from",
        "tos",
        "dsfield",
        "via",
        "gateway",
        "dev",
        "oif",
        "table",
        "flags",
        "protocol",
        "scope",
        "prefsrc",
        "src",
        "metric",
        "mark",
        "flow",
        "uid",
        "cache",
        "expires",
        "error",
        "used",
        "age",
        "users",
        "ident",
        "metrics",
        "iif",
        "pref",
        "ttl-propagate",
        "nexthops",
        "nhid",
        "nh_info",
        "realms",
    ]
)
HOP_KEYS = frozenset(["gateway", "via", "dev", "weight", "flags", "realm", "flow", "encap", "nhid", "nh_info"])
