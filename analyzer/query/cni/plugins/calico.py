"""``calico``: Calico's plugin, and Canal's."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import ANYTHING, NATURAL, NUMBER, TEXT, TEXTS, TRUTH, Fields, Many, Problem, Table
from analyzer.query.cni.plugin import Call, Plugin, Role

STORES = ("kubernetes", "etcdv3")


def refusals(call: Call) -> Iterator[Problem]:
    """``CreateClient`` (cni-plugin/internal/pkg/utils) and libcalico's ``apiconfig``: another store cannot be opened."""
    if (text := call.text("datastore_type")) and text not in STORES:
        yield Problem(("datastore_type",), f"datastore_type {text!r} is none of {', '.join(STORES)}")


PLUGIN = Plugin(
    types=("calico",),
    role=Role.MAIN,
    source="projectcalico/calico cni-plugin/pkg/types/types.go",
    fields={
        "mode": TEXT,
        "vxlan_mac_prefix": TEXT,
        "vxlan_vni": NATURAL,
        "ipam": Fields(
            {"type": TEXT, "subnet": TEXT, "assign_ipv4": TEXT, "assign_ipv6": TEXT, "ipv4_pools": TEXTS, "ipv6_pools": TEXTS}
        ),
        "mtu": NUMBER,
        "num_queues": NUMBER,
        "nodename": TEXT,
        "nodename_file": TEXT,
        "nodename_file_optional": TRUTH,
        "datastore_type": TEXT,
        "etcd_endpoints": TEXT,
        "log_level": TEXT,
        "log_file_path": TEXT,
        "log_file_max_size": NUMBER,
        "log_file_max_age": NUMBER,
        "log_file_max_count": NUMBER,
        "policy": Fields({"type": TEXT}),
        "kubernetes": Fields({"kubeconfig": TEXT, "k8s_api_root": TEXT, "node_name": TEXT}),
        "feature_control": Fields({"ip_addrs_no_ipam": TRUTH, "floating_ips": TRUTH}),
        "container_settings": Fields({"allow_ip_forwarding": TRUTH}),
        "include_default_routes": TRUTH,
        "dataplane_options": Table(ANYTHING),
        "readiness_gates": Many(TEXT),
        "policy_setup_timeout_seconds": NUMBER,
        "endpoint_status_dir": TEXT,
    },
    refusals=refusals,
)
