"""What a text is: by the name of its file, which is made from the command that wrote it, else by what stands in it."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from typing import NamedTuple

import analyzer.parsers
from analyzer.parsers import Parser
from analyzer.parsers._index import INDEX
from analyzer.plugins import checked, package_constants

HEAD = 4096
DOCUMENT_HEAD = 1 << 16
DOCUMENT = (".yaml", ".yml", ".json")
ENDINGS = re.compile(r"\.(txt|log|out|md)$")
NOT_A_WORD = re.compile(r"[^\w\-./:@%+=]+")
PROGRAM_FOLDER = re.compile(r"^(/usr)?(/local)?/s?bin/")
UNREAD = re.compile(
    r"date|hostname|uname(_-\S+)?|uptime|os-release|\S*version\S*|whoami|collect(ed|or)?(\.\S+)?|MANIFEST|README\S*|lock|.*/lock"
)
# What iproute2, nft and the CNI library print as JSON, by the keys of the first object: those it has, and those it has not.
JSON_KEYS: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    ("nft", frozenset({"nftables"}), frozenset()),
    ("aws-security-groups", frozenset({"SecurityGroups"}), frozenset({"apiVersion"})),
    ("cloud-interfaces", frozenset({"NetworkInterfaces"}), frozenset({"apiVersion"})),
    ("cloud-interfaces", frozenset({"Reservations"}), frozenset({"apiVersion"})),
    ("cloud-interfaces", frozenset({"port_security_enabled", "fixed_ips"}), frozenset({"apiVersion"})),
    ("cloud-interfaces", frozenset({"enableIPForwarding", "ipConfigurations"}), frozenset({"apiVersion"})),
    ("cloud-interfaces", frozenset({"canIpForward", "networkInterfaces"}), frozenset({"apiVersion"})),
    ("cloud-routes", frozenset({"RouteTables"}), frozenset({"apiVersion"})),
    ("cloud-routes", frozenset({"disableBgpRoutePropagation", "routes"}), frozenset({"apiVersion"})),
    ("cloud-routes", frozenset({"addressPrefix", "nextHopType"}), frozenset({"apiVersion"})),
    ("cloud-routes", frozenset({"destRange", "network"}), frozenset({"apiVersion"})),
    ("docker-containers", frozenset({"Id", "Created", "Path", "State"}), frozenset({"apiVersion"})),
    ("dns-names", frozenset({"fqdn", "ips"}), frozenset({"apiVersion"})),
    ("dns-names", frozenset({"fqdnName", "ipAddress"}), frozenset({"apiVersion"})),
    ("cilium-policy", frozenset({"EndpointID", "Content"}), frozenset({"apiVersion"})),
    ("cilium-endpoints", frozenset({"id", "status", "spec"}), frozenset({"apiVersion"})),
    ("cilium-endpoints", frozenset({"id", "status"}), frozenset({"apiVersion", "labels"})),
    ("cilium-identities", frozenset({"id", "labels"}), frozenset({"apiVersion", "status"})),
    ("ovs-list", frozenset({"data", "headings"}), frozenset({"apiVersion"})),
    ("tc-filter", frozenset({"protocol", "pref", "kind"}), frozenset()),
    ("tc-qdisc", frozenset({"kind", "handle"}), frozenset({"apiVersion", "ifname"})),
    ("bridge-vlan", frozenset({"ifname", "vlans"}), frozenset()),
    ("bridge-fdb", frozenset({"mac", "state"}), frozenset()),
    ("bridge-link", frozenset({"ifindex", "priority", "cost"}), frozenset({"qdisc", "linkinfo"})),
    ("ip-addr", frozenset({"ifindex", "ifname"}), frozenset()),
    ("ip-rule", frozenset({"priority"}), frozenset({"ifname", "dst_port", "kind", "apiVersion", "metadata"})),
    ("ip-nexthop", frozenset({"id", "flags"}), frozenset({"dst", "name"})),
    ("ip-neigh", frozenset({"dst", "dev", "state"}), frozenset({"gateway"})),
    ("ip-neigh", frozenset({"dst", "proxy"}), frozenset()),
    ("ip-route-get", frozenset({"dst", "uid"}), frozenset()),
    ("ip-route", frozenset({"dst", "flags"}), frozenset()),
)
# The titles of a table of kubectl get.
PLAIN, ALTERNATIVES = re.compile(r"[-\w/]*"), re.compile(r"\|(?![^(]*\))")
TABLE = re.compile(r"NAME(?:SPACE)?(?: {2,}[A-Z][A-Z0-9()/-]*(?: [A-Z0-9()/-]+)*)+[ \t]*(?:\n|\Z)")
# Kinds whose output has a file's name in common with another command's.
TWINS = {"iptables-save": "iptables-list", "ip-route": "route-n", "ip-addr": "ifconfig"}
JSON_OBJECT = re.compile(r"\s*(?:\[\s*(?:\{\s*\}\s*,\s*)*)?(?=\{\s*\")")
SERVICE_KEY = re.compile(r"\S+:\d+(/\w+)?(/i)? \(\d+\)")
KEY = re.compile(r'"([^"\\]{1,40})"\s*:')
TOKEN = re.compile(r'[{}\[\]]|"(?:[^"\\\n]|\\.)*"')
CACHED = re.compile(r'\s*\{\s*"kind"\s*:\s*"cniCacheV1"')
FOREIGN = re.compile(
    r".*\.(md|rst|png|jpe?g|gif|svg|ico|pdf|html?|css|js|ts|go|py|sh|c|h|java|rb|rs|lua|tpl|j2|tmpl|gotmpl|tftpl|mod|sum|toml|cfg|ini|lock|pcap|pcapng|so|pem|crt|key|pub|patch)",
    re.IGNORECASE,
)
# The first line of a manifest that says something: no pasted session, whatever its comments and values look like.
MANIFEST = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\n|---[ \t]*(?:#[^\n]*)?\n)*(?:--- \{\s*)?(?:apiVersion|kind|metadata):[ \t]")


@dataclass(frozen=True, slots=True)
class Recognised:
    """The parser for a text, and what the file's name adds."""

    parser: Parser
    subject: str = ""


class Declared(NamedTuple):
    """A parser that may not be imported yet: its module in ``analyzer/parsers``, its kind, the patterns of its files' names,
    and the pattern of its texts with its flags; none where it is empty."""

    module: str
    kind: str
    names: tuple[str, ...]
    content: str
    flags: int


@lru_cache(maxsize=1)
def parsers() -> tuple[Parser, ...]:
    """Every parser, by name."""
    return package_constants(analyzer.parsers, "PARSER", Parser)


@lru_cache(maxsize=1)
def declared() -> Mapping[str, Declared]:
    """What each parser says of itself, by kind: from the index, without importing it, where it is there."""
    modules = sorted(info.name for info in pkgutil.iter_modules(analyzer.parsers.__path__) if not info.name.startswith("_"))
    found = ((module, INDEX[module] if module in INDEX else told(module)) for module in modules)
    return {said[0]: Declared(module, *said) for module, said in found if said[0]}


def told(module: str) -> tuple[str, tuple[str, ...], str, int]:
    """The kind, the names and the content that a parser says; no kind where a module has no parser."""
    parser = getattr(import_module(f"analyzer.parsers.{module}"), "PARSER", None)
    if not isinstance(parser, Parser):
        return "", (), "", 0
    content = parser.content
    return parser.kind, parser.names, content.pattern if content else "", content.flags if content else 0


@cache
def parser_of(kind: str) -> Parser | None:
    """The parser of a kind, imported when it is first asked for; None where there is none."""
    known = declared().get(kind)
    if known is None:
        return None
    parser: Parser = checked(import_module(f"analyzer.parsers.{known.module}"), "PARSER", Parser)
    return parser


@lru_cache(maxsize=1)
def name_patterns() -> tuple[tuple[str, str], ...]:
    """The name patterns of all parsers with their kinds, the most specific (longest) first."""
    every = [(pattern, one.kind) for one in declared().values() for pattern in one.names]
    return tuple(sorted(every, key=lambda pair: (-len(pair[0]), pair[1])))


compiled = cache(re.compile)


@cache
def beginning(pattern: str) -> str:
    """What all names begin with that a pattern matches, so that it is not compiled for others: its plain characters before the first that is none."""
    plain = PLAIN.match(pattern)
    if plain is None or ALTERNATIVES.search(pattern):
        return ""
    return plain[0][: -1 if pattern[plain.end() : plain.end() + 1] in ("?", "*", "{") else None]


def normal(name: str) -> str:
    """A file name as the patterns expect it: without ``.txt`` and the like, other characters as ``_``."""
    return NOT_A_WORD.sub("_", ENDINGS.sub("", name)).strip("_")


def command_name(command: str) -> str:
    """The file name that a command's output has: ``/sbin/ip -d link`` is ``ip_-d_link``."""
    return NOT_A_WORD.sub("_", PROGRAM_FOLDER.sub("", command.strip()).replace("/", "_")).strip("_")


@lru_cache(maxsize=1 << 14)
def by_name(name: str) -> Recognised | None:
    """The parser that a file's name, or its path below the node's folder, belongs to."""
    path = normal(name)
    return by_normal_name(path) or (by_normal_name(path.rsplit("/", 1)[-1]) if "/" in path else None)


@lru_cache(maxsize=1 << 14)
def by_normal_name(name: str) -> Recognised | None:
    """The parser whose pattern matches the whole name."""
    for pattern, kind in name_patterns():
        if (
            name.startswith(beginning(pattern))
            and (found := compiled(pattern).fullmatch(name))
            and (parser := parser_of(kind)) is not None
        ):
            return Recognised(parser, found.groupdict().get("subject") or "")
    return None


def twin(known: Recognised, text: str) -> Recognised:
    """The parser of another command's output under the same file name (``iptables`` is written by ``iptables-save`` and by ``iptables -L``), where
    the text is clearly of that one; else the one that the name tells."""
    other = parser_of(TWINS.get(known.parser.kind, ""))
    head = text[:HEAD]
    if other is None or other.content is None or not other.content.search(head):
        return known
    own = known.parser.content
    return known if own is not None and own.search(head) else Recognised(other, known.subject)


def listing(known: Recognised | None, text: str, command: str) -> Recognised | None:
    """The parser of kubectl's tables and descriptions in the place of that of objects, where a text is one; none of tables of other kinds. ``command`` says of which namespace they are."""
    if known is None or known.parser.kind not in ("kubernetes", "kubernetes-listing"):
        return known
    other = parser_of("kubernetes-listing")
    head = text[:HEAD].lstrip("\n")
    if other is None or other.content is None or not other.content.match(head):
        return None if TABLE.match(head) else known
    return Recognised(other, command)


def by_content(text: str, name: str = "") -> Recognised | None:
    """The parser whose content pattern is found; of several, that with the longest pattern. JSON is told by the keys of its first object."""
    head = text[: DOCUMENT_HEAD if name.endswith(DOCUMENT) else HEAD]
    if CACHED.match(head):
        return None
    kind = json_kind(head)
    if kind:
        return next((Recognised(parser) for parser in (parser_of(kind),) if parser is not None), None)
    found = next((kind for pattern, kind in content_patterns() if pattern.search(head)), "")
    parser = parser_of(found) if found else None
    return Recognised(parser) if parser else None


@lru_cache(maxsize=1)
def content_patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The content patterns of all parsers with their kinds, the most specific (longest) first."""
    every = sorted((-len(one.content), one.kind, one) for one in declared().values() if one.content)
    return tuple((re.compile(one.content, one.flags), kind) for _, kind, one in every)


def manifest(text: str, name: str) -> Recognised | None:
    """The parser of manifests, where a YAML file begins as one does."""
    if not name.endswith((".yaml", ".yml")) or not MANIFEST.match(text):
        return None
    parser = parser_of("kubernetes")
    return Recognised(parser) if parser else None


def json_kind(head: str) -> str:
    """The kind of a JSON text, by the keys of its first object; empty where they say nothing."""
    start = JSON_OBJECT.match(head)
    keys = frozenset(first_keys(head, start.end())) if start else frozenset()
    if keys and keys <= {"name", "id"} and "name" in keys and head.lstrip().startswith("["):
        return "ip-netns"
    if any(SERVICE_KEY.fullmatch(key) for key in keys):
        return "cilium-lb"
    if "spec" in keys and not keys & {"apiVersion", "kind", "metadata"} and '"frontend-address"' in head:
        return "cilium-services"
    return next((kind for kind, has, lacks in JSON_KEYS if has <= keys and not lacks & keys), "")


def first_keys(head: str, start: int) -> Iterator[str]:
    """The keys of the object that begins at ``start``, not those inside its values."""
    depth = 0
    for found in TOKEN.finditer(head, start):
        token = found.group(0)
        if token in "{[":
            depth += 1
        elif token in "}]":
            depth -= 1
            if not depth:
                return
        elif depth == 1 and (key := KEY.match(head, found.start())):
            yield key.group(1)


def foreign(name: str) -> bool:
    """Whether a file clearly is no part of a capture: pictures, programs, documentation; and files that say nothing here."""
    base = name.rsplit("/", 1)[-1]
    return bool(FOREIGN.fullmatch(base) or UNREAD.fullmatch(normal(base)) or UNREAD.fullmatch(base))
