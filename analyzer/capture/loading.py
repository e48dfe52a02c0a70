"""``load``: from paths on the command line to sources, each recognised and with the namespace that it describes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from analyzer.capture import kinds, kubectl_ko, must_gather
from analyzer.capture.choices import KUSTOMIZATIONS, Rendering
from analyzer.capture.collected import Collected, Pending
from analyzer.capture.decode import readable
from analyzer.capture.files import File, refusal
from analyzer.capture.layout import Position, position
from analyzer.capture.limits import Budget
from analyzer.capture.recognise import Recognised, by_content, by_name, command_name, foreign, listing, manifest, twin
from analyzer.capture.sessions import pasted
from analyzer.capture.sessions.commands import silent
from analyzer.capture.sessions.elsewhere import Elsewhere
from analyzer.capture.sessions.outdated import Shown, current
from analyzer.capture.twice import FAILED, once, without_doubled
from analyzer.capture.unread import NOT_RECOGNISED, not_read, only_wanted
from analyzer.capture.walking import every_file, without_templates
from analyzer.memory import without_cycles
from analyzer.source import Gap, Scope, Source, Span

if TYPE_CHECKING:
    from analyzer.capture.again import Again

Progress = Callable[[int, int], None]
JSON = re.compile(r"\s*(\{\s*[\"}]|\[\s*[\[{\"\]])")
HOSTNAME = re.compile(r"(diagnostics/|systeminfo/|sos_commands/(host|general)/|etc/)?hostname|cmd/hostname\.md")
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded: the sources in path order, the gaps of what could not be read, and how many files were passed over
    because they are no part of a capture. A pasted file's whole text follows its parts, with the kind ``pasted``. ``notes``: what captures that other
    tools made lack."""

    sources: tuple[Source, ...]
    gaps: tuple[Gap, ...]
    ignored: int = 0
    notes: tuple[Gap, ...] = ()


def quiet(done: int, total: int) -> None:
    """Progress that nobody wants to see."""


def load(
    paths: Sequence[str],
    stdin: BinaryIO | None = None,
    progress: Progress = quiet,
    skip: Callable[[str], bool] | None = None,
    rendering: Rendering | None = None,
    texts: Mapping[str, bytes] | None = None,
    again: Again | None = None,
) -> Loaded:
    """Reads files, directories, archives and ``-``; nothing in them raises. Files whose path ``skip`` is true of are left out. Charts and kustomizations
    are rendered as ``rendering`` says; without it they are read as they lie there. ``texts`` stand in place of the files of their paths.

    A path in a source is its name inside the input where one directory or archive is given, else it begins with the path as given.
    Files that are as they were are taken from ``again``, which what is read now is put into.
    ``progress`` is called with the number of files done and 0, as the total is not known before.
    """
    collected, budget = begun(again), Budget()
    earlier = again.known if again is not None and not texts else None
    with without_cycles():
        for number, item in enumerate(without_templates(every_file(paths, stdin, budget, rendering, earlier)), 1):
            if skip and skip(item.at.path if isinstance(item, Gap) else item.path):
                collected.ignored += 1
            elif isinstance(item, Gap):
                collected.gaps.append(item)
            else:
                accept(replace(item, data=texts[item.path]) if texts and item.path in texts else item, collected)
            progress(number, 0)
    settle(collected)
    if collected.doubled:
        collected.sources, gaps = without_doubled(collected.sources, collected.doubled)
        collected.gaps.extend(gaps)
    leave_patches(collected)
    if collected.hosts:
        collected.sources = [(root, renamed(source, collected.hosts.get(root))) for root, source in collected.sources]
    names = {host[0]: host for host in collected.hosts.values()}
    collected.gaps = [renamed(gap, names.get(gap.scope.node) if gap.scope else None) for gap in collected.gaps]
    kept, doubled = once(sorted(collected.sources, key=lambda pair: (pair[1].path, pair[1].kind == "pasted")))
    sources = tuple(kept) if again is None else again.same(kept)
    return Loaded(sources, tuple(sorted([*collected.gaps, *doubled])), collected.ignored, lacking(collected, kept))


def begun(again: Again | None) -> Collected:
    """Nothing yet, beside what texts of an earlier look had in common."""
    if again is None:
        return Collected()
    again.begin()
    return Collected(common=again.common, equal=again.equal, again=again)


def lacking(collected: Collected, kept: Sequence[Source]) -> tuple[Gap, ...]:
    """What the captures of other tools lack."""
    found = {name: (min(folders.values()), len(folders)) for name, folders in collected.kinds.items()}
    return (*kinds.notes(found, kept), *sorted(collected.notes))


def settle(collected: Collected) -> None:
    """The parts of pasted texts get the namespaces of the pods and containers that their commands ran in, or a gap says why not."""
    if not collected.pending:
        return
    from analyzer.capture.sessions.settling import known, settled

    given = known(source for _, source in collected.sources)
    for item in collected.pending:
        scope = settled(item.place, given)
        if not isinstance(scope, Scope) and item.source.kind == must_gather.DATABASE:
            scope = item.source.scope or scope
        if isinstance(scope, Scope):
            collected.sources.append((item.root, replace(item.source, scope=scope)))
        else:
            collected.gaps.append(Gap(Span(item.source.path, item.line), f"not read: {scope}"))


def accept(file: File, collected: Collected) -> None:
    """Turns one file into its sources and gaps."""
    if file.again:
        collected.doubled.add(file.path)
    where = position(file.place, file.named)
    note_kind(file, where, collected)
    if file.known is not None:
        collected.sources.append((where.root, file.known))
        return
    note_host(file, where, collected)
    if note_kustomization(file, collected):
        collected.ignored += 1
        return
    known = by_name(where.name)
    if not file.named and (kinds.setting(where.name) or (known is None and kinds.is_log(file.place))):
        collected.ignored += 1
        return
    if where.name.endswith(".error"):
        collected.sources.append((where.root, failed(file, where)))
        return
    if known is None and foreign(where.name) and not file.named and not command_markdown(file, where):
        collected.ignored += 1
        return
    if found := kinds.CNI_FILE.fullmatch(file.place.rsplit("/", 1)[-1]):
        collected.pending.append(sysdump_cni(file, where, found))
        return
    text = readable(file)
    if isinstance(text, Gap):
        add_refused(text, where, known, wanted(file, where), collected)
        return
    collected.gaps.extend(replace(gap, scope=where.scope) for gap in text[1])
    sources = parts_of(file, where, known, text[0], collected)
    if collected.again and len(sources) == 1 and known and where.captured and not text[1] and plain(file, sources[0]):
        collected.again.keep(file.path, len(file.data), sources[0])
    if sources:
        sources = [replace(source, origin=file.origin, changers=file.changers) for source in sources] if file.origin else sources
        add(sources, file, where, collected)
    elif wanted(file, where) and text[0].strip() and not foreign(where.name):
        collected.gaps.append(refusal(file.path, not_read(text[0])))
    else:
        collected.ignored += 1


def add(sources: Sequence[Source], file: File, where: Position, collected: Collected) -> None:
    """Keeps the sources of a file; those that are named for a pod wait until its object says the node."""
    pod = must_gather.pod_of(file.place)
    for source in sources:
        if pod and source.scope is not None:
            place = Elsewhere(pod=pod, namespace=source.scope.namespace)
            collected.pending.append(Pending(where.root, source, place, 1))
        else:
            collected.sources.append((where.root, source))


def plain(file: File, source: Source) -> bool:
    """Whether what a file is read as rests on its content alone: state of one namespace, as the file says it."""
    simple = not (file.again or file.link or file.named or file.origin) and HOSTNAME.search(file.place) is None
    return simple and source.scope is not None and source.path == file.path and b"{{" not in file.data


def wanted(file: File, where: Position) -> bool:
    """Whether a file is to be read, so that it is missed where it cannot be."""
    return file.named or (where.captured and not kinds.beside(file.place))


def note_host(file: File, where: Position, collected: Collected) -> None:
    """Remembers a node's own name where a capture keeps it in a file: its folder may be named for something else, or without the domain that the
    node is called by (sosreport)."""
    if "hostname" in where.name and HOSTNAME.fullmatch(where.name) and not where.captured:
        words = [word for word in file.data[:1000].decode("utf-8", "replace").split() if word not in ("#", "hostname", "```")]
        if len(words) == 1 and NODE_NAME.fullmatch(words[0]):
            collected.hosts[where.root] = (where.scope.node, words[0])


def note_kustomization(file: File, collected: Collected) -> bool:
    """Whether a file is a kustomization, which holds no objects; what it says of the files around it is remembered."""
    folder, _, name = file.path.rpartition("/")
    if name not in KUSTOMIZATIONS:
        return False
    from analyzer.capture.templates.kustomizations import kustomization

    one = kustomization(file.data.decode("utf-8", "replace"))
    if one is None:
        return False
    collected.built_on.update(posixpath.normpath(posixpath.join(folder, item)) for item in one.builds_on)
    collected.beside.update(posixpath.normpath(posixpath.join(folder, item)) for item in one.beside)
    return True


def leave_patches(collected: Collected) -> None:
    """Leaves out the files that a kustomization changes objects by, which say only a part of them."""
    if patches := collected.beside - collected.built_on:
        kept = [item for item in collected.sources if item[1].kind != "kubernetes" or item[1].path not in patches]
        collected.ignored += len(collected.sources) - len(kept)
        collected.sources = kept


T = TypeVar("T", Source, Gap)


def renamed(item: T, host: tuple[str, str] | None) -> T:
    """A source or a gap about a node by the node's own name. ``host``: what its folder is named for, and the name."""
    if host is None or item.scope is None or item.scope.node != host[0]:
        return item
    return replace(item, scope=Scope(host[1], item.scope.namespace))


def note_kind(file: File, where: Position, collected: Collected) -> None:
    """Remembers the kind of capture that a file's place tells, and the folder of the capture."""
    if kind := kinds.kind_of(file.place):
        folders = collected.kinds.setdefault(kind.name, {})
        folder = where.root if kind.per_node else ""
        folders[folder] = min(folders.get(folder, file.path), file.path)


def sysdump_cni(file: File, where: Position, found: re.Match[str]) -> Pending:
    """A CNI configuration of a cilium sysdump: it is named for the agent's pod, whose object says the node."""
    text = file.data.decode("utf-8", "replace").replace("\0", "�")
    source = Source(file.path, text, "cni-config", where.scope, found["file"])
    return Pending(where.root, source, Elsewhere(pod=f"/{found['pod']}"), 1)


def command_markdown(file: File, where: Position) -> bool:
    """Whether a Markdown file is the output of a command, as cilium-bugtool writes it."""
    return where.name.endswith(".md") and bool(pasted.FENCED.match(file.data[:1000].decode("utf-8", "replace")))


def add_refused(gap: Gap, where: Position, known: Recognised | None, wanted: bool, collected: Collected) -> None:
    """A file that holds no text: a gap where it should have."""
    if known:
        collected.gaps.append(replace(gap, subject=known.parser.kind, scope=scope_of(known, where)))
    elif wanted:
        collected.gaps.append(gap)
    else:
        collected.ignored += 1


def failed(file: File, where: Position) -> Source:
    """A command that failed when the node was captured: the collector keeps what it said in ``<file>.error``.

    Not an error of loading: reading gives a gap for it. The subject is the kind of what is missing.
    """
    known = by_name(where.name.removesuffix(".error"))
    text = file.data[:4096].decode("utf-8", "replace").replace("\0", "�")
    subject = known.parser.kind if known else ""
    return Source(file.path, text, FAILED, scope_of(known, where) if known else where.scope, subject)


def parts_of(file: File, where: Position, known: Recognised | None, text: str, collected: Collected) -> list[Source]:
    """The sources that a text gives: one, several where it is a pasted session, none where it is not recognised."""
    sections: list[pasted.Part] = []
    text = kinds.with_kind(file.place, text)
    if (several := kubectl_ko.session(file.place, text) or must_gather.session(file.place, text)) is not None:
        known, text = None, several
    text = pasted.outdented(text) if known is None else text
    known = known or manifest(text, where.name)
    if (known is None and not JSON.match(text)) or pasted.FENCED.match(text):
        sections = pasted.parts(text)
    if sections:
        return of_sections(file, where, sections, text, collected)
    known = twin(known, text) if known else by_content(text, where.name)
    known = listing(known, text, where.name)
    if known is None:
        return []
    if known.parser.kind == "kubernetes" and (shorter := kinds.without_logs(text)) != text:
        collected.kinds.setdefault(kinds.DUMP, {}).setdefault("", file.path)
        text = shorter
    scope, kind = scope_of(known, where), known.parser.kind
    base = where.name.rsplit("/", 1)[-1]
    command = base if file.path.rsplit("/", 1)[-1] != base else ""
    return [Source(file.path, collected.shared(text, kind) if scope else text, kind, scope, known.subject, command)]


def of_sections(file: File, where: Position, sections: list[pasted.Part], text: str, collected: Collected) -> list[Source]:
    """The sources of a pasted text, as they hold at its end, and the text itself; none where nothing in it is known."""
    made = [Shown(section, source) for section in sections if (source := section_source(file, where, section, collected))]
    found = current(sections, made)
    collected.gaps.extend(found.gaps)
    collected.notes.extend(found.notes)
    sources = []
    for part, source in ((one.part, one.source) for one in found.shown):
        if source.scope is not None and (part.place.pod or part.place.container or part.place.unknown):
            collected.pending.append(Pending(where.root, source, part.place, part.line))
        else:
            sources.append(source)
    return [*sources, Source(file.path, text, "pasted")] if made else []


def section_source(file: File, where: Position, section: pasted.Part, collected: Collected) -> Source | None:
    """The source of one part of a pasted text; None, with a gap where it said something, when nothing can read it."""
    at = Span(file.path, section.line)
    if section.path:
        inner = position(section.path, named=True)
        where = replace(inner, scope=inner.scope if inner.captured else where.scope)
        known = by_name(section.path) or by_name(where.name) or by_content(section.text.lstrip("\n"), where.name)
    else:
        known = by_name(command_name(section.command)) or by_content(section.text.lstrip("\n"))
        known = twin(known, section.text.lstrip("\n")) if known else None
    known = listing(known, section.text, section.command)
    if known is None:
        if section.text.strip() and (file.named or where.captured) and (why := unread(section)):
            collected.gaps.append(Gap(at, why))
        return None
    if known.parser.kind == "sysctl" and only_wanted(section.path):
        return None
    place = section.place
    scope = Scope(where.scope.node if where.captured or not place.node else place.node, place.namespace or where.scope.namespace)
    subject = known.subject or file_subject(section, known.parser.kind)
    command = section.path.rsplit("/", 1)[-1] or command_name(section.command)
    source = Source(file.path, section.text, known.parser.kind, scope_of(known, replace(where, scope=scope)), subject, command)
    if section.prose:
        reason = f"outside of the fences this looks like {source.kind}, and is not read: put what a command printed between lines of ```"
        collected.gaps.append(Gap(at, reason, source.kind, source.scope))
        return None
    if section.cut and section.text.strip():
        reason = f"the output went through {section.cut!r}: what it left out is not known"
        collected.gaps.append(Gap(at, reason, known.parser.kind, source.scope))
    return source


def unread(section: pasted.Part) -> str:
    """Why a part is not read that nothing recognises; empty where nothing is missed."""
    if section.prose or section.opens or (section.typed and silent(section.command)):
        return ""
    why = not_read(section.text)
    if why != NOT_RECOGNISED:
        return why
    command = section.path or section.command
    return f"what belongs to {command!r} is not recognised" if command else ""


def file_subject(section: pasted.Part, kind: str) -> str:
    """The name of a CNI configuration: it decides in which order the runtime reads them."""
    name = section.path.rsplit("/", 1)[-1]
    return name if kind == "cni-config" and not re.search(r"[*?\[]", name) else ""


def scope_of(known: Recognised, where: Position) -> Scope | None:
    """The namespace for texts about one, None for those about the cluster."""
    return where.scope if known.parser.per == "namespace" else None
