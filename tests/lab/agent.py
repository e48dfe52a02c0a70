"""One process inside one network namespace: it answers packets, sends probes, and tells what it saw.

Started as a program of its own. Requests and answers are JSON, one a line, on standard input and output. The end of standard
input ends the process, and with it the namespaces that only it holds.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import Any, NoReturn

from tests.lab import client, server

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000

PRIVATE = """
mount --make-rprivate /
mount -t tmpfs lab /run
mkdir -p /run/netns /run/etc
cp -a /etc/. /run/etc/
mkdir -p /run/etc/cni/net.d
rm -f /run/etc/resolv.conf
echo 'nameserver 10.96.0.10' >/run/etc/resolv.conf
mount --bind /run/etc /etc
mount -t tmpfs lab /var/lib
mkdir -p /var/lib/cni
mount -t sysfs lab /sys
"""


def enter(request: dict[str, Any]) -> None:
    """Makes new namespaces (with private folders for a node), or enters a network namespace by its path."""
    library = ctypes.CDLL(None, use_errno=True)
    if path := request.get("enter"):
        with open(path) as handle:
            failed = library.setns(handle.fileno(), CLONE_NEWNET)
    else:
        kinds = CLONE_NEWNET | (CLONE_NEWNS | CLONE_NEWUTS if request.get("node") else 0)
        failed = library.unshare(kinds)
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if request.get("node"):
        subprocess.run(["sh", "-ec", PRIVATE], check=True)
        socket.sethostname(request["name"])


def serve(name: str, requests: socket.socket) -> NoReturn:
    """Answers requests and packets until the other side is gone."""
    selector = selectors.DefaultSelector()
    host = server.Host(name, selector)
    selector.register(requests, selectors.EVENT_READ)
    stream = requests.makefile("rw")
    while True:
        for key, _ in selector.select():
            if key.fileobj is requests:
                line = stream.readline()
                if not line:
                    os._exit(0)
                stream.write(json.dumps(answer(host, json.loads(line))) + "\n")
                stream.flush()
            else:
                key.data(key.fileobj)


def answer(host: server.Host, request: dict[str, Any]) -> Any:
    """What one request asks for."""
    match request["do"]:
        case "listen":
            return host.listen(request["ports"])
        case "sniff":
            return host.sniff()
        case "probe":
            return client.probe(request["probes"], request["timeout"], host)
        case "seen":
            seen, host.seen = host.seen, {}
            return seen
        case _:
            return {"error": "no such request"}


def main() -> None:
    """Enters the namespace, says that it is ready, and serves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = socket.socket(fileno=int(sys.argv[1]))
    stream = requests.makefile("rw")
    first = json.loads(stream.readline())
    enter(first)
    stream.write(json.dumps({"pid": os.getpid(), "at": time.time()}) + "\n")
    stream.flush()
    serve(first["name"], requests)


if __name__ == "__main__":
    main()
