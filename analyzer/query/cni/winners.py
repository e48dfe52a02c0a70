"""Which file of a node's CNI configuration a runtime takes, where runtimes differ."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.facts.cni import CniConfigFact
from analyzer.model.network import NodeFiles


def taken_by_crio(files: NodeFiles, valid: Sequence[CniConfigFact]) -> str:
    """What CRI-O takes where it is another file than containerd's, the first one: it passes over those whose plugins are not installed (cri-o/ocicni,
    ``loadNetworks`` validates each list with libcni). Empty where both take the same, or where the plugins were not captured."""
    if files.plugins is None:
        return ""
    installed = {plugin.name for plugin in files.plugins}
    usable = [item for item in valid if all(plugin.get("type") in installed for plugin in item.plugins)]
    if not usable or usable[0] is valid[0]:
        return ""
    return f"CRI-O takes {usable[0].file}, since a plugin of {valid[0].file} is not installed"
