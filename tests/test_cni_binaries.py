"""What the plugins themselves say: configurations are given to the installed binaries, and refused or taken as is foretold.

The reference plugins of Debian's containernetworking-plugins (1.1.1) do; fields that are newer than they are left out. Those that make interfaces run in
a network namespace of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.addresses import Address
from analyzer.query.cni.address_ranges import AddressRange, host_local
from analyzer.query.cni.configs import known, plugins
from analyzer.query.cni.fields import AddressText, Fields, Many, NetworkText, Table, Text, Truth, Whole, unfit
from analyzer.query.cni.plugin import Call

FOLDER = Path(os.environ.get("CNI_PATH", "/usr/lib/cni"))
needs_plugins = pytest.mark.skipif(
    not (FOLDER / "host-local").exists(), reason=f"THE PLUGINS ARE ABSENT: {FOLDER} has no host-local (set CNI_PATH)"
)
NEWER = frozenset(
    {
        *(
            "vlanTrunk",
            "preserveDefaultVlan",
            "macspoofchk",
            "enabledad",
            "disableContainerInterface",
            "portIsolation",
            "ipMasqBackend",
        ),
        *(
            "shapedSubnets",
            "unshapedSubnets",
            "txQLen",
            "backend",
            "bcqueuelen",
            "linkInContainer",
            "addSourceHints",
            "masqAll",
            "ingressPolicy",
        ),
    }
)
# Without an earlier result and without rates, bandwidth ends with a panic of its own.
CHAINED = ("must be called as chained plugin", "prevResult", "panic: runtime error")
ELSEWHERE = (
    "failed to create",
    "failed to add route",
    "Link not found",
    "not supported",
    "no such",
    "file exists",
    "no default route interface",
    "master MTU(",
)
IN_CHAINS = ("portmap", "bandwidth", "firewall", "vrf", "tuning")
MAIN = ("bridge", "macvlan")


def run(
    plugin: str, value: Mapping[str, Any], namespace: str = "/proc/self/ns/net", number: int = 0
) -> tuple[bool, dict[str, Any]]:
    """Whether the plugin took the configuration, and what it printed."""
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": f"x{number}",
        "CNI_NETNS": namespace,
        "CNI_IFNAME": f"e{number}",
        "CNI_PATH": str(FOLDER),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [FOLDER / plugin], input=json.dumps(value), env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    try:
        found = json.loads(done.stdout or "null")
    except ValueError:
        found = None
    return done.returncode == 0, found if isinstance(found, dict) else {
        "msg": done.stdout + done.stderr if done.returncode else ""
    }


def foretold(value: Mapping[str, Any], only: str = "") -> list[str]:
    """What is said to be refused. ``only`` one plugin's refusals."""
    call = Call(value, 0, str(value.get("name")), str(value.get("cniVersion", "")))
    messages = []
    for plugin in known(call):
        if only in ("", plugin.types[0]):
            found = list(unfit(dict(value), plugin.decoded()))
            messages += [problem.message for problem in found or plugin.refusals(call)]
    return messages


ADDRESSES = st.sampled_from(["10.1.0.0", "10.1.0.1", "10.1.0.4", "10.1.0.6", "10.1.0.7", "10.2.0.1", "fd00::3", "x", ""])
SUBNETS = st.sampled_from(
    ["10.1.0.0/29", "10.1.0.0/30", "10.1.0.8/29", "10.1.0.2/29", "10.1.0.0/31", "fd00::/125", "10.1.0.0", "x"]
)
RANGE = st.fixed_dictionaries(
    {},
    optional={
        "subnet": SUBNETS,
        "rangeStart": ADDRESSES,
        "rangeEnd": ADDRESSES,
        "gateway": st.sampled_from(["10.1.0.1", "10.1.0.4", "fd00::3", "x"]),
    },
)
SETS = st.lists(st.lists(RANGE, min_size=1, max_size=2), max_size=2)
IPAM = st.one_of(
    RANGE, st.fixed_dictionaries({"ranges": SETS}), st.tuples(RANGE, SETS).map(lambda pair: {**pair[0], "ranges": pair[1]})
)
VERSIONS = st.sampled_from(["0.3.1", "1.0.0", "0.2.0"])


@needs_plugins
@settings(max_examples=150, deadline=None, derandomize=True, database=None)  # type: ignore[untyped-decorator]
@given(IPAM, VERSIONS)  # type: ignore[untyped-decorator]
def test_host_local_refuses_and_gives_what_is_foretold(ipam: dict[str, Any], version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        value = {
            "cniVersion": version,
            "name": "net",
            "type": "bridge",
            "ipam": {"type": "host-local", "dataDir": folder, **ipam},
        }
        taken, said = run("host-local", value)
    wrong = foretold(value, "host-local")
    full = "no IP addresses available" in said.get("msg", "")
    assert (not taken and not full) == bool(wrong), (said, wrong)
    backwards = any(item.first > item.last for item in host_local(ipam))
    if taken and version != "0.2.0" and not backwards:
        assert [item["address"].partition("/")[0] for item in said["ips"]] == first_addresses(ipam)
    if full:
        assert any(item is None for item in first_addresses(ipam))


def first_addresses(ipam: Mapping[str, Any]) -> list[str | None]:
    """The first address that each range set hands out; None where it has none."""
    groups: dict[int, list[AddressRange]] = {}
    for item in host_local(ipam):
        groups.setdefault(item.group, []).append(item)
    return [next(every(found), None) for found in groups.values()]


def every(found: list[AddressRange]) -> Iterator[str]:
    """The addresses of a range set in their order."""
    for item in found:
        for value in range(item.first, item.last + 1):
            if item.gateway is None or value != item.gateway.value:
                yield str(Address(item.subnet.family, value))


@needs_plugins
@pytest.mark.parametrize(
    "ipam",
    [
        {"subnet": "10.1.0.0/29"},
        {"subnet": "10.1.0.0/28", "rangeStart": "10.1.0.3", "rangeEnd": "10.1.0.15", "gateway": "10.1.0.5"},
    ],
)
def test_host_local_has_as_many_addresses_as_are_counted(ipam: dict[str, Any], tmp_path: Path) -> None:
    inner = {"type": "host-local", "dataDir": str(tmp_path), **ipam}
    value = {"cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": inner}
    wanted = sum(item.size for item in host_local(inner))
    answers = [run("host-local", value, number=number)[0] for number in range(wanted + 1)]
    assert answers == [True] * wanted + [False]


@needs_plugins
@pytest.mark.parametrize("text", ["10.0.0.5/24", "10.0.0.5", "fd00::5/64", "10.0.0.0/33", "x/24", ""])
def test_static_refuses_what_is_foretold(text: str) -> None:
    value = {"cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": {"type": "static", "addresses": [{"address": text}]}}
    assert run("static", value)[0] != bool(foretold(value, "static"))


def values_for(kind: object) -> list[Any]:
    """Values to try in a field, right and wrong ones."""
    odd: list[Any] = [None, True, -1, 5, 1.5, "x", [], {}]
    match kind:
        case Whole():
            return [*odd, 0, 13, 31, 32, 4094, 4095, 1450, 2**33, 2**63]
        case Text():
            return [*odd, "bridge", "passthru", "private", "iptables", "0a:58:0a:01:02:03", "0a:58"]
        case Table():
            return [*odd, {"net.ipv4.ip_forward": "1"}, {"a": 1}, {"a": "b"}]
        case Many():
            return [*odd, ["a"], [1], [None]]
        case Truth() | AddressText() | NetworkText() | Fields() | _:
            return odd


def cases(names: tuple[str, ...]) -> Iterator[tuple[str, str, Any]]:
    """Each field of each plugin with each value."""
    for name in names:
        for key, kind in plugins()[name].fields.items():
            for value in values_for(kind) if key not in NEWER else ():
                yield name, key, value


def base(name: str) -> dict[str, Any]:
    """A configuration that the plugin takes."""
    extra: dict[str, Any] = {"vrf": {"vrfname": "blue"}, "macvlan": {"master": "eth0"}}.get(name, {})
    return {"cniVersion": "1.0.0", "name": "net", "type": name, **extra}


@needs_plugins
@pytest.mark.parametrize("name", IN_CHAINS)
def test_chained_plugins_refuse_what_is_foretold(name: str) -> None:
    """Without an earlier result they end in any case: with another error where the configuration itself is refused. What is said of kernel switches
    comes after that and is left out."""
    differ = []
    for number, (_, key, value) in enumerate(cases((name,))):
        given_value = {**base(name), key: value}
        taken, said = run(name, given_value, number=number)
        refused = not taken and not any(word in said.get("msg", "") for word in CHAINED)
        wrong = [
            message
            for message in foretold(given_value)
            if "switch of the network" not in message and "hardware address" not in message
        ]
        if refused != bool(wrong):
            differ.append((key, value, said, wrong))
    assert differ == []


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root")
@needs_plugins
@pytest.mark.parametrize("name", MAIN)
def test_plugins_that_make_interfaces_refuse_what_is_foretold(name: str, tmp_path: Path) -> None:
    """In a namespace of their own, so that what they make goes with it."""
    found = json.loads(inside_namespace(name, tmp_path))
    differ = []
    for (_, key, value), (taken, message) in zip(cases((name,)), found, strict=True):
        wrong = foretold({**base(name), key: value})
        elsewhere = not taken and any(word in message for word in ELSEWHERE)
        if (wrong and taken) or (not wrong and not taken and not elsewhere):
            differ.append((key, value, message, wrong))
    assert differ == []


def inside_namespace(name: str, folder: Path) -> str:
    """Runs every case in one new network namespace; returns for each whether it was taken, and the message."""
    space = f"cni-{os.getpid()}"
    lines = folder / "cases"
    lines.write_text("".join(json.dumps({**base(name), key: value}) + "\n" for _, key, value in cases((name,))))
    program = folder / "program.py"
    program.write_text(
        "import json, os, subprocess, sys\n"
        "answers = []\n"
        f"for number, line in enumerate(open({str(lines)!r})):\n"
        f"    env = dict(os.environ, CNI_COMMAND='ADD', CNI_CONTAINERID=f'x{{number}}', CNI_NETNS='/var/run/netns/{space}', CNI_IFNAME=f'e{{number}}', CNI_PATH={str(FOLDER)!r})\n"
        f"    done = subprocess.run([{str(FOLDER / name)!r}], input=line, env=env, capture_output=True, text=True, timeout=20)\n"
        f"    subprocess.run(['ip', '-n', {space!r}, 'link', 'del', f'e{{number}}'], capture_output=True)\n"
        "    answers.append([done.returncode == 0, done.stdout if done.returncode else ''])\n"
        "print(json.dumps(answers))\n"
    )
    setup = f"ip link set lo up; ip link add eth0 type veth peer name p0; ip link set eth0 up; ip netns add {space}; python3 {program}; ip netns del {space}"
    return subprocess.run(["unshare", "-n", "sh", "-c", setup], capture_output=True, text=True, check=True, timeout=120).stdout


@needs_plugins
@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*") if path.name in plugins()))
def test_plugins_support_versions_from_the_oldest_on(name: str) -> None:
    environment = {"CNI_COMMAND": "VERSION", "PATH": os.environ["PATH"]}
    text = '{"cniVersion": "1.0.0"}'
    done = subprocess.run([FOLDER / name], input=text, env=environment, capture_output=True, text=True, check=True, timeout=20)
    assert json.loads(done.stdout)["supportedVersions"][0] == plugins()[name].oldest
