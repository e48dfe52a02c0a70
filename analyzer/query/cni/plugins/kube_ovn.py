"""``kube-ovn``: Kube-OVN as the cluster's network, as a second one, or as another plugin's IPAM."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import ANYTHING, TEXT, Many, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role


def refusals(call: Call) -> Iterator[Problem]:
    """``loadNetConf`` (cmd/cni/cni.go): the daemon is asked through its socket."""
    if call.text("type") == "kube-ovn" and not call.text("server_socket"):
        yield Problem((), "kube-ovn needs server_socket, the daemon's socket")


PLUGIN = Plugin(
    types=("kube-ovn",),
    role=Role.MAIN,
    source="kubeovn/kube-ovn cmd/cni/cni.go, pkg/netconf/netconf_linux.go",
    fields={"server_socket": TEXT, "provider": TEXT, "deviceID": TEXT, "vf_driver": TEXT, "routes": Many(ANYTHING)},
    refusals=refusals,
)
