"""This machine's part of the lab: processes that hold namespaces, and commands that run inside them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PLUGIN_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
PLUGINS = ("bridge", "ptp", "macvlan", "host-local", "portmap", "loopback")
COMMANDS = (
    "unshare",
    "nsenter",
    "ip",
    "bridge",
    "tc",
    "iptables",
    "iptables-legacy",
    "ip6tables",
    "ipset",
    "conntrack",
    "nft",
    "ss",
    "sysctl",
)
PACKAGES = "iproute2 iptables nftables ipset conntrack containernetworking-plugins procps util-linux"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 240
"""After so many a command hangs: the guest kernel is slow on a busy machine."""


class CommandError(RuntimeError):
    """A command in a namespace failed; what it said."""


def plugin_folder() -> Path | None:
    """Where the CNI plugins are."""
    return next((folder for folder in PLUGIN_FOLDERS if (folder / "bridge").exists()), None)


def missing() -> str | None:
    """Why this machine cannot build the networks, in words; None when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the lab needs Linux and root"
    lacking = [command for command in COMMANDS if shutil.which(command, path=PATH) is None]
    folder = plugin_folder()
    lacking += [f"CNI plugin {name}" for name in PLUGINS if folder is None or not (folder / name).exists()]
    if lacking:
        return f"the lab needs {', '.join(lacking)} (Debian: apt-get install {PACKAGES})"
    return _missing_kinds()


def _missing_kinds() -> str | None:
    """Whether the kernel makes the links and rules that every network here is made of."""
    script = (
        "set -e; ip link add lab0 type veth peer name lab1; ip link add lab2 type bridge; "
        "ip link add lab3 type vxlan id 1 dev lab0 dstport 8472; iptables -t nat -S >&2; iptables -A FORWARD -m comment --comment x"
    )
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, env={"PATH": PATH})
    return (
        None
        if done.returncode == 0
        else f"the lab needs a kernel with veth, bridge, vxlan and iptables: {done.stderr.strip()[-200:]}"
    )


@dataclass(slots=True)
class Agent:
    """A process in a namespace."""

    name: str
    process: subprocess.Popen[bytes]
    channel: socket.socket
    pid: int = 0

    def ask(self, **request: Any) -> Any:
        """Sends a request and waits for its answer."""
        self.channel.sendall(json.dumps(request).encode() + b"\n")
        return self.answer()

    def answer(self) -> Any:
        """The next answer of the process."""
        received = bytearray()
        while not received.endswith(b"\n"):
            part = self.channel.recv(1 << 16)
            if not part:
                raise CommandError(f"the process in {self.name} ended")
            received += part
        return json.loads(received)

    def close(self) -> None:
        """Ends the process."""
        self.channel.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Machine:
    """The processes of one network; leaving the ``with`` ends them all, and their namespaces with them."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.pool = ThreadPoolExecutor(32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for agent in reversed(self.agents.values()):
            agent.close()
        self.pool.shutdown()

    def start(self, *requests: dict[str, Any]) -> None:
        """Starts a process for each request (``name``, and ``node`` or ``enter``) and waits until they are ready."""
        started = [self._start(request) for request in requests]
        for agent in started:
            agent.pid = agent.answer()["pid"]

    def _start(self, request: dict[str, Any]) -> Agent:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.agent", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": PATH, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)},
        )
        theirs.close()
        agent = Agent(request["name"], process, ours)
        self.agents[agent.name] = agent
        ours.sendall(json.dumps(request).encode() + b"\n")
        return agent

    def ask_all(self, requests: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Asks many agents at once."""
        futures = {name: self.pool.submit(self.agents[name].ask, **request) for name, request in requests.items()}
        return {name: future.result() for name, future in futures.items()}

    def run(self, name: str, script: str, text: str | None = None, **environment: str) -> str:
        """Runs a shell script in the namespaces of an agent; raises CommandError with what it said when it fails."""
        kinds = ["--net", "--mount", "--uts"]
        command = ["nsenter", "-t", str(self.agents[name].pid), *kinds, "sh", "-ec", script]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, env={"PATH": PATH, **environment}, timeout=SECONDS
        )
        if done.returncode:
            raise CommandError(f"{name}: {script.strip()[:300]}\n{done.stdout[-500:]}{done.stderr[-1000:]}")
        return done.stdout
