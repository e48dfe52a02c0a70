"""Commands as edits of a capture, held against a kernel that runs them. See tests/lab/README.md."""

from __future__ import annotations

import pytest

from tests.lab import edited
from tests.lab.machine import missing

REASON = missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

NETWORKS = {
    "flannel-vxlan-services": ("vtep_mac_changed", "conntrack_notrack", "set_changed"),
    "host-gw-services": ("rp_filter_strict", "pod_address_lost"),
    "calico-services": ("pod_source_chosen", "arp_ignored"),
    "bridge-two": ("hairpin_off", "port_isolated"),
    "flannel-dual-stack": ("fdb_missing", "pod_addresses_six"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_capture_after_commands_is_as_the_network_after_them(name: str) -> None:
    found = edited.Edited()
    for breakage in NETWORKS[name]:
        edited.one(name, 1, found, named=(breakage,))
    assert not found.tally.wrong, "\n".join(found.tally.wrong)
    assert not found.refused
    assert found.tally.networks == len(NETWORKS[name])
    assert sum(found.tally.unknown.values()) < 0.1 * found.tally.predictions
