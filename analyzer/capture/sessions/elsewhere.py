"""Where a command of a pasted session ran: another node, a network namespace, a pod, a container.

Read: ``ssh``, ``ip netns exec``, ``ip -n``, ``nsenter``, ``kubectl exec`` and ``kubectl debug node/…`` (also ``oc``, ``k3s kubectl``), ``crictl exec``,
``docker exec``, ``kubectl debug POD`` and ``kubectl run``, the shells of virtual machines (``minikube ssh``, ``multipass exec``), and what only stands
before a command (``sudo``, ``chroot``, ``sh -c``, ``timeout 5``, ``A=b``). What a shell would put in place (``$PID``) is not known here, nor where loops and
other programs that run commands elsewhere ran them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


def options_of(text: str) -> frozenset[str]:
    """The options in a text."""
    return frozenset(text.split())


WORD = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|(?:\$\([^()\n]*\)|`[^`\n]*`|\S)+")
DEPTH = 8
SHELLS = frozenset({"sh", "bash", "ash", "zsh", "dash"})
REMOTE_SHELLS = frozenset({"kubectl", "oc", "kubectl.exe", "ssh", "docker", "podman", "nerdctl", "crictl"})
CLIENTS = frozenset({"kubectl", "oc", "kubectl.exe"})
CLIENT_VALUES = options_of(
    "-n --namespace -c --container -f --filename --context --kubeconfig --cluster --user -s --server --as --token "
    "--request-timeout --pod-running-timeout -v --image --profile --target --copy-to --overrides --restart --image-pull-policy -l --labels --env "
    "--port --override-type"
)
RUNTIME_VALUES = options_of(
    "-e --env -u --user -w --workdir --env-file --detach-keys -H --host --context --config --namespace -r "
    "--runtime-endpoint --image-endpoint --timeout"
)
NSENTER_VALUES = options_of("-t --target -S -G --setuid --setgid")
SSH_VALUES = options_of("-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w")
SUDO_VALUES = options_of("-u --user -g --group -h --host -p --prompt -C -D -R -T")
# What only stands before a command: its options with values, and how many words come before the command.
BEFORE = {
    "sudo": (SUDO_VALUES, 0),
    "doas": (options_of("-u -C"), 0),
    "env": (options_of("-u --unset -C --chdir"), 0),
    "time": (options_of("-f -o"), 0),
    "nohup": (frozenset[str](), 0),
    "nice": (options_of("-n"), 0),
    "stdbuf": (options_of("-i -o -e"), 0),
    "watch": (options_of("-n --interval"), 0),
    "timeout": (options_of("-s --signal -k --kill-after"), 1),
}
ASSIGNED = re.compile(r"[A-Za-z_]\w*=\S*")
MACHINES = {"multipass": ("exec", "shell"), "lxc": ("exec", "shell"), "incus": ("exec", "shell"), "minikube": ("ssh",)}
MACHINE_VALUES = options_of("-p --profile -n --node --user --cwd --env --project")
LOOPS = frozenset({"for", "while", "until", "if"})
# Programs that run others in places that their words do not tell to who does not know their inventory.
FARAWAY = options_of(
    "kubectl oc kubectl.exe docker podman nerdctl crictl ansible ansible-playbook pdsh clush pssh parallel-ssh parallel salt xargs vagrant juju gcloud "
    "aws az virsh machinectl talosctl ctr runc k3d kind"
)
# kind, k3d and minikube name the containers that are nodes so (kind: pkg/cluster/internal/providers/docker/provision.go).
NODE_CONTAINER = re.compile(r"[\w.-]+-(control-plane|worker)\d*|k3d-[\w.-]+-(server|agent)-\d+|minikube(-m\d+)?")
# k8s_<container>_<pod>_<namespace>_<uid>_<attempt> (dockershim, naming.go).
POD_CONTAINER = re.compile(r"k8s_[^_]+_(?P<pod>[^_]+)_(?P<namespace>[^_]+)_[^_]+_\d+")
KO_CENTRAL = re.compile(r"(?:kubectl[ \t]+ko|kubectl-ko)[ \t]+(nbctl|sbctl)\b(.*)")
KO_NODE = re.compile(r"(?:kubectl[ \t]+ko|kubectl-ko)[ \t]+(vsctl|ofctl|dpctl|appctl)[ \t]+(\S+)(.*)")
EXPANDED = re.compile(r"[$`*?]")

LISTS = frozenset({"get", "ps", "inspect", "inspectp", "network", "describe"})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a command ran, as far as its words say. ``pod`` is ``namespace/name`` (``/name`` where no namespace is given), ``container`` the
    name or the beginning of the identifier that a container runtime knows; one of the two is to be looked up among the objects.
    ``unknown`` says why it cannot be known."""

    node: str = ""
    namespace: str = ""
    pod: str = ""
    container: str = ""
    unknown: str = ""


HERE = Elsewhere()


@dataclass(frozen=True, slots=True)
class Command:
    """A command without what led to it. ``shell``: it opens a shell there, so that what follows in the session runs there;
    ``remote``: one whose prompt is its own."""

    text: str
    place: Elsewhere
    shell: bool = False
    remote: bool = False


def followed(text: str, place: Elsewhere, depth: int = 0) -> Command:
    """The command that really runs, and where."""
    text, place = without_name(*without_plugin(text, place))
    words = [(match.group(0), match.start()) for match in WORD.finditer(text)]
    if not words or depth > DEPTH:
        return Command(text, place, shell=not words and depth > 0)
    plain = [word.strip("\"'") for word, _ in words]
    found = step(plain, place)
    if found is None:
        unknown = place.unknown or nowhere(plain)
        return Command(text, replace(place, unknown=unknown), shell=opens_shell(plain))
    index, where = found
    rest = unquoted(text[words[index][1] :]) if index < len(words) else ""
    inner = followed(rest, where, depth + 1)
    return replace(inner, remote=inner.remote or plain[0].rsplit("/", 1)[-1] in REMOTE_SHELLS)


def opens_shell(words: Sequence[str]) -> bool:
    """``bash``, ``sh -i``, ``su - root``, and no script."""
    program = words[0].rsplit("/", 1)[-1]
    return program == "su" or (program in SHELLS and all(word.startswith("-") for word in words[1:]))


def unquoted(text: str) -> str:
    """A command that is one quoted word, without its quotes; a filter that was cut off may have taken the second."""
    text = text.strip()
    if not text or text[0] not in "\"'" or text.count(text[0]) > 2 or (text.count(text[0]) == 2 and text[-1] != text[0]):
        return text
    return text.strip(text[0])


def step(words: Sequence[str], place: Elsewhere) -> tuple[int, Elsewhere] | None:
    """One program that runs another: where the other's words begin, and where it runs; None for any other program."""
    program = words[0].rsplit("/", 1)[-1]
    if ASSIGNED.fullmatch(words[0]):
        return 1, place
    if program in BEFORE:
        values, more = BEFORE[program]
        return after_options(words, 1, values)[0] + more, place
    if program in MACHINES:
        return in_machine(words, program)
    if program == "chroot" and len(words) > 1:
        return 2, place
    if program in SHELLS and len(words) > 2 and words[1] in ("-c", "-lc", "-xc", "-ec"):
        return 2, place
    if program in ("k3s", "microk8s") and words[1:2] and words[1] in ("kubectl", "crictl"):
        return 1, place
    if program == "ip":
        return in_named(words, place)
    if program == "nsenter":
        return in_process(words, place)
    if program == "ssh":
        return on_node(words)
    if program in CLIENTS:
        return in_pod(words)
    if program in ("docker", "podman", "nerdctl", "crictl"):
        return in_container(words, place)
    return None


def nowhere(words: Sequence[str]) -> str:
    """Why it is not known where a command ran that runs others in ways that are not read; empty for any other."""
    program = words[0].rsplit("/", 1)[-1]
    if program in LOOPS:
        return "a loop ran several commands: which of them printed this is not told"
    if len(words) > 1 and program in FARAWAY and not LISTS & set(words):
        return f"where {program} ran this is not told"
    return ""


def in_machine(words: Sequence[str], program: str) -> tuple[int, Elsewhere] | None:
    """``multipass exec NODE -- command``, ``minikube ssh [-n NODE] command``: a virtual machine that is a node."""
    index, before = after_options(words, 1, MACHINE_VALUES)
    if index >= len(words) or words[index] not in MACHINES[program]:
        return None
    index, after = after_options(words, index + 1, MACHINE_VALUES)
    every = {**before, **after}
    node = every.get("-n") or every.get("--node") or "minikube"
    if program != "minikube":
        if index >= len(words):
            return None
        node, index = words[index], index + 1
    index += index < len(words) and words[index] == "--"
    if EXPANDED.search(node):
        return index, Elsewhere(unknown=f"the node {node!r} is not named")
    return index, Elsewhere(node=node)


def after_options(words: Sequence[str], start: int, with_values: frozenset[str]) -> tuple[int, Mapping[str, str]]:
    """The first word that is no option, and the options with their values (``-n x``, ``-n=x``, ``-nx``, ``--namespace x``)."""
    options: dict[str, str] = {}
    index = start
    while index < len(words) and words[index].startswith("-") and words[index] not in ("-", "--"):
        word = words[index]
        name, equals, value = word.partition("=")
        if word in with_values and index + 1 < len(words):
            index += 1
            options[word] = words[index]
        elif equals:
            options[name] = value
        elif not word.startswith("--") and word[:2] in with_values:
            options[word[:2]] = word[2:]
        else:
            options[word] = ""
        index += 1
    return index, options


def in_named(words: Sequence[str], place: Elsewhere) -> tuple[int, Elsewhere] | None:
    """``ip netns exec NAME command``."""
    if words[1:3] == ["netns", "exec"] and len(words) > 3:
        return 4, named(words[3], place)
    if len(words) > 3 and words[1] in ("-all", "-a") and words[2:4] == ["netns", "exec"]:
        return 4, replace(place, unknown="it ran in every named network namespace")
    return None


def named(name: str, place: Elsewhere) -> Elsewhere:
    """The named network namespace of the node."""
    if place.pod or place.container:
        return replace(place, unknown=f"the network namespace {name!r} was entered inside a container")
    if EXPANDED.search(name):
        return replace(place, unknown=f"the network namespace {name!r} is not named")
    return replace(place, namespace=name, pod="", container="")


def in_process(words: Sequence[str], place: Elsewhere) -> tuple[int, Elsewhere]:
    """``nsenter``: the network namespace of a file, or of a process where ``-n`` or ``-a`` says so; the first process is the node's own."""
    joined = {word for word in words[1:3] if re.fullmatch(r"-[amuinpCUrwF]+t", word)}
    index, options = after_options(words, 1, NSENTER_VALUES | joined)
    index += index < len(words) and words[index] == "--"
    name = options.get("--net") or options.get("-n") or next((word[2:] for word in options if word.startswith("-n/")), "")
    process = next((options[word] for word in ("-t", "--target", *joined) if word in options), "")
    letters = "".join(word[1:] for word in options if not word.startswith("--"))
    enters = bool(name) or "--net" in options or "--all" in options or re.search(r"[na]", letters.split("/")[0]) is not None
    if not enters:
        return index, place
    if name and re.fullmatch(r"/proc/\d+/ns/net", name):
        name, process = "", name.split("/")[2]
    if name:
        return index, named(name.rsplit("/", 1)[-1], place)
    if not process.isdigit():
        return index, replace(
            place, unknown=f"the process {process or 'of nsenter'} is not a number: its network namespace is not known"
        )
    if place.pod or place.container:
        return index, replace(place, unknown="a process was entered inside a container")
    return index, replace(place, namespace="" if process == "1" else f"process-{process}", pod="", container="")


def on_node(words: Sequence[str]) -> tuple[int, Elsewhere] | None:
    """``ssh [options] [user@]NODE [command]``."""
    index, _ = after_options(words, 1, SSH_VALUES)
    if index >= len(words):
        return None
    node = words[index].rsplit("@", 1)[-1]
    index, _ = after_options(words, index + 1, SSH_VALUES)
    index += index < len(words) and words[index] == "--"
    if EXPANDED.search(node):
        return index, Elsewhere(unknown=f"the node {node!r} is not named")
    return index, Elsewhere(node=node)


def in_pod(words: Sequence[str]) -> tuple[int, Elsewhere] | None:
    """``kubectl [-n NAMESPACE] exec [-c CONTAINER] POD -- command``, ``oc rsh POD command``, ``kubectl run POD -- command``; ``kubectl debug node/NODE -- command``
    in the node's own namespaces, and ``kubectl debug POD`` in those of the pod, whose network an ephemeral container shares."""
    index, options = after_options(words, 1, CLIENT_VALUES)
    if index >= len(words) or words[index] not in ("exec", "rsh", "debug", "run", "node-shell"):
        return None
    verb = words[index]
    index, more = after_options(words, index + 1, CLIENT_VALUES)
    if index >= len(words):
        return None
    target = words[index]
    index, last = after_options(words, index + 1, CLIENT_VALUES)
    index += index < len(words) and words[index] == "--"
    every = {**options, **more, **last}
    if target.startswith("node/") or verb == "node-shell":
        return index, Elsewhere(node=target.removeprefix("node/"))
    if "--copy-to" in every:
        return index, Elsewhere(unknown=f"it ran in a copy of pod {target}")
    return index, pod_place(target, every.get("-n") or every.get("--namespace") or "")


def pod_place(target: str, namespace: str) -> Elsewhere:
    """The pod that ``exec`` names; of a workload the client chooses one."""
    kind, slash, name = target.rpartition("/")
    if EXPANDED.search(target + namespace):
        return Elsewhere(unknown=f"the pod {target!r} is not named")
    if slash and kind not in ("pod", "pods", "po"):
        return Elsewhere(unknown=f"which pod of {target} it was is not said")
    return Elsewhere(pod=f"{namespace}/{name}")


def in_container(words: Sequence[str], place: Elsewhere) -> tuple[int, Elsewhere] | None:
    """``docker exec CONTAINER command`` and ``crictl exec CONTAINER command``. kind's containers are nodes."""
    index, _ = after_options(words, 1, RUNTIME_VALUES)
    if index >= len(words) or words[index] != "exec":
        return None
    index, _ = after_options(words, index + 1, RUNTIME_VALUES)
    if index >= len(words):
        return None
    name = words[index]
    if EXPANDED.search(name):
        return index + 1, Elsewhere(place.node, unknown=f"the container {name!r} is not named")
    if found := POD_CONTAINER.fullmatch(name):
        return index + 1, Elsewhere(place.node, pod=f"{found['namespace']}/{found['pod']}")
    if NODE_CONTAINER.fullmatch(name):
        return index + 1, Elsewhere(node=name)
    return index + 1, Elsewhere(place.node, container=name)


def without_name(text: str, place: Elsewhere) -> tuple[str, Elsewhere]:
    """``ip -n NAME route`` as ``ip route`` in that namespace."""
    found = re.match(r"((?:/\S*/)?ip)((?:[ \t]+-(?!n)\S+)*)[ \t]+-n(?:etns)?[ \t]+(\S+)(.*)", text)
    return (f"{found[1]}{found[2]}{found[4]}", named(found[3], place)) if found else (text, place)


def without_plugin(text: str, place: Elsewhere) -> tuple[str, Elsewhere]:
    """``kubectl ko nbctl show`` as ``ovn-nbctl show``, and ``kubectl ko ofctl NODE dump-flows …`` as ``ovs-ofctl dump-flows …`` on that node
    (kube-ovn: dist/images/kubectl-ko)."""
    if found := KO_CENTRAL.fullmatch(text):
        return f"ovn-{found[1]}{found[2]}", place
    if found := KO_NODE.fullmatch(text):
        return f"ovs-{found[1]}{found[3]}", Elsewhere(node=found[2])
    return text, place
