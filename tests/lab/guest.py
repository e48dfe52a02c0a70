"""A second kernel for what this machine's own was built without: ``python -m tests.lab.guest COMMAND`` runs a command in it.

User-mode Linux is the kernel as a program (https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html; Debian: user-mode-linux). Its
root is this machine's, under a memory file system: the guest sees these files and changes none. It has IPVS, VLANs, VRFs, bonds, Geneve,
GRE, IPIP, ipvlan and flow tables as modules.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KERNEL = "linux.uml"
PACKAGE = "user-mode-linux"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MEMORY, FOLDERS = 2048, ("/dev/shm", "/var/tmp")
"""Its memory in megabytes, which is a file: where the first of these has room for it, else in the second."""
FIRST = Path(__file__).with_name("guest.sh")
ROOT = Path(__file__).parents[2]
ENDING = ("setpriv", "--pdeathsig", "SIGKILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child")
"""A guest and its processes end with whoever started it."""
KEPT = ("PATH", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Done:
    """How a command in the guest ended: its exit ``status`` (None: the guest did not come to its end), what it printed, and the kernel too
    where it did not come to its end."""

    status: int | None
    output: str


def missing() -> str | None:
    """Why no guest can be started here, in words; None when one can."""
    if os.geteuid() != 0:
        return "the guest kernel sees this machine's files as root only"
    if shutil.which(KERNEL) is None:
        return f"the guest kernel needs {KERNEL} (Debian: apt-get install {PACKAGE})"
    done = run(["true"], timeout=60)
    return None if done.status == 0 else f"the guest kernel does not start here: {done.output.strip()[-300:]}"


def run(command: Sequence[str], timeout: float, writable: Sequence[Path] = ()) -> Done:
    """Runs a command in a guest of its own, with the repository as its working directory; it changes files in the ``writable`` folders
    only. A guest that has not ended after ``timeout`` seconds is killed."""
    with tempfile.TemporaryDirectory(prefix="guest-", dir="/var/tmp") as folder:
        Path(folder, "command").write_text(_script(command, writable))
        options = [
            f"mem={MEMORY}M",
            "rootfstype=hostfs",
            "ro",
            "con=null",
            "con0=null,fd:1",
            "quiet",
            f"uml_dir={folder}",
            f"guest={folder}",
        ]
        with subprocess.Popen(
            [*ENDING, KERNEL, *options, "init=/bin/sh", "--", str(FIRST)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"TMPDIR": _roomy(), "HOME": folder, "PATH": PATH},
        ) as kernel:
            try:
                said, _ = kernel.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                kernel.kill()
                said, _ = kernel.communicate()
        return _done(Path(folder), said.decode(errors="replace"))


def _roomy() -> str:
    """Where the guest's memory is."""
    first, second = FOLDERS
    return first if os.path.isdir(first) and shutil.disk_usage(first).free > MEMORY << 20 else second


def _script(command: Sequence[str], writable: Sequence[Path]) -> str:
    """What the first process runs in its world."""
    lines = [f"mount -t hostfs -o {shlex.quote(str(path))} none {shlex.quote(str(path))}" for path in writable]
    lines += [f"export {name}={shlex.quote(os.environ[name])}" for name in KEPT if name in os.environ]
    return "\n".join([*lines, f"cd {shlex.quote(str(ROOT))}", shlex.join(command)]) + "\n"


def _done(folder: Path, said: str) -> Done:
    """What a guest left in its folder; what the kernel said where it left no exit status."""
    status, output = folder / "status", folder / "output"
    if not status.exists():
        return Done(None, (output.read_text(errors="replace") if output.exists() else "") + said)
    return Done(int(status.read_text()), output.read_text(errors="replace"))


def main() -> int:
    """Runs the command of the command line in a guest."""
    done = run(sys.argv[1:], timeout=3600)
    print(done.output, end="")
    return 2 if done.status is None else done.status


if __name__ == "__main__":
    sys.exit(main())
