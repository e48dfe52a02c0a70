"""``analyze connectivity PATH…``: who may talk to whom, by the policies of manifests or of a capture."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from analyzer.cli.outputs import outputs_of
from analyzer.cli.policy_options import policy_options, profile_for, with_names
from analyzer.cli.progress import Progress
from analyzer.cli.shared import fail, input_options, load, nothing, output_options, paths_from, style_for, tell_unread
from analyzer.cli.suggest import run_suggest, suggest_option
from analyzer.cli.telling import tell
from analyzer.cli.writing import write_pieces
from analyzer.display import counted
from analyzer.memory import without_cycles
from analyzer.pipeline import Input
from analyzer.policy.calico.encapsulation import left_out
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import Kind
from analyzer.query.connectivity.allowed import NUMBERS, clipped
from analyzer.query.connectivity.answer import Connectivity, Focus, connectivity
from analyzer.query.connectivity.entrances import OUTSIDE, Entrance, entrances
from analyzer.query.connectivity.exposure import exposure
from analyzer.query.policies import Policies, policies
from analyzer.query.policy_parties import EXPECTED, entities_named, pod_name
from analyzer.query.policy_services import reached
from analyzer.report.connectivity import Answer, format_named, format_names

PROTOCOLS = ("TCP", "UDP", "SCTP", "ICMP")


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``connectivity``."""
    input_options(parser)
    parser.add_argument("--from", dest="source", metavar="E", help=f"only from these: {EXPECTED}")
    parser.add_argument("--to", dest="target", metavar="E", help="only to these; as --from")
    parser.add_argument("--port", metavar="80[/TCP]", help="only on this port; a protocol alone (UDP) means all of it")
    parser.add_argument("--per-pod", action="store_true", help="pods of one workload are never merged")
    parser.add_argument("--nodes", action="store_true", help="nodes are endpoints, too")
    parser.add_argument("--exposure", action="store_true", help="what pods that are not there yet could reach and be reached by")
    parser.add_argument(
        "--strict", action="store_true", help="exit status 3 where something is not certain or was not understood"
    )
    parser.add_argument(
        "--fail-on", choices=("error", "warning", "note", "never"), help="taken, as by other commands: nothing fails here"
    )
    suggest_option(parser)
    policy_options(parser)
    output_options(parser, format_names())


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Writes the answer in each format that is asked for; 3 where some of the input could not be read, with --strict also where not all is certain."""
    del parser
    progress = Progress(options.quiet)
    given = load(options, progress)
    progress("deciding")
    if not given.sources:
        progress.end()
        return nothing(given.unreadable)
    try:
        given = with_names(options, given)
    except ValueError as problem:
        progress.end()
        return fail(str(problem))
    if options.suggest:
        progress.end()
        return run_suggest(options, given)
    try:
        outputs = [(format_named(name), path) for name, path in outputs_of(options, format_names())]
        with without_cycles():
            answer = answered(options, given, profile_for(options, given))
    except ValueError as problem:
        progress.end()
        return fail(str(problem))
    progress.end()
    for format, path in outputs:
        write_pieces(path, format.write(answer, style_for(options, to_file=path is not None)))
    if not options.quiet:
        tell(counts(answer, given))
    tell_unread(given.unreadable)
    return 3 if given.unreadable or (options.strict and (given.gaps or answer.found.uncertain or answer.left_out)) else 0


def answered(options: Namespace, given: Input, profile: Profile) -> Answer:
    """The answer. ValueError for a name or a port that means nothing."""
    known = policies(given.network.cluster, profile)
    focus = focus_of(options, known)
    found = connectivity(known, focus)
    ways = tuple(item for item in entrances(known, found.parties) if is_within(item, found, focus))
    if known.all.complaints and not options.quiet:
        tell(f"analyze: {counted(len(known.all.complaints), 'complaint')} about policies: analyze check tells them")
    return Answer(
        found,
        ways,
        exposure(known, focus) if options.exposure else None,
        profile.name,
        given.sources,
        paths_from(options.paths, "."),
        tuple(sorted({pod_name(item) for item in known.world.cluster.listed.pods})),
        left_out(known.world),
    )


def is_within(way: Entrance, found: Connectivity, focus: Focus) -> bool:
    """Whether a way in is from and to what is asked about, on the port that is asked about."""
    if focus.protocol and not clipped(way.allow, focus.protocol, focus.port):
        return False
    for name, side in ((way.source, focus.sources), (way.destination, focus.destinations)):
        if side is not None:
            wanted = {entity.name for entity in side}
            ids = {party.id for party in found.parties if any(entity.name in wanted for entity in party.entities)}
            if name not in ids and not (name == OUTSIDE and any(entity.kind is Kind.OUTSIDE for entity in side)):
                return False
    return True


def focus_of(options: Namespace, known: Policies) -> Focus:
    """What is asked about; a port of a service means the one of its pods that it leads to."""
    protocol, port = port_of(options.port) if options.port else ("", None)
    if port is not None and options.target and options.target.partition(":")[0] in ("svc", "service"):
        port = target_of(known, options.target.partition(":")[2], protocol, port)
    return Focus(
        entities_named(known, options.source) if options.source else None,
        entities_named(known, options.target) if options.target else None,
        protocol,
        port,
        options.per_pod,
        options.nodes,
    )


def target_of(known: Policies, service: str, protocol: str, port: int) -> int:
    """The port of the pods behind a port of a service. ValueError where there is none, or where pods have several."""
    namespace, _, name = service.rpartition("/")
    found = reached(known.world, namespace or "default", name)
    numbers = {item.target for item in found if item.port == port and item.protocol == NUMBERS.get(protocol)}
    if not numbers:
        raise ValueError(f"service {service} has no port {port}/{protocol} that leads to a pod of the input")
    if len(numbers) > 1:
        told = ", ".join(map(str, sorted(numbers)))
        raise ValueError(f"port {port}/{protocol} of service {service} leads to ports {told} of its pods: ask for one of them")
    return numbers.pop()


def port_of(text: str) -> tuple[str, int | None]:
    """The protocol and the port of ``80``, ``53/UDP`` or ``ICMP``."""
    first, slash, second = text.partition("/")
    name, number = (second.upper(), first) if slash else ("TCP", first) if first.isdecimal() else (first.upper(), "")
    if name not in PROTOCOLS or (number and not (number.isdecimal() and 0 < int(number) <= 65535)) or (slash and not number):
        raise ValueError(f"--port wants a port such as 80, 53/UDP, or a protocol of {', '.join(PROTOCOLS)}, not {text!r}")
    if name == "ICMP" and number:
        raise ValueError("--port: ICMP has no ports")
    return name, int(number) if number else None


def counts(answer: Answer, given: Input) -> str:
    """One line for stderr: what was read and what came of it."""
    found = answer.found
    sure, may = (sum(1 for _ in found.pairs(links)) for links in (found.links, found.uncertain))
    parts = [counted(len(given.sources), "file"), counted(len(found.parties), "endpoint")]
    parts += [f"{counted(sure, 'pair')} that may talk, {may} uncertain", counted(len(given.gaps), "gap")]
    return "; ".join(parts)
