"""A policy that the API server, or the kind's own controller, does not take.

## What it finds
A policy with a selector, block, port or rule that its kind's validation refuses: an operator that is none, an `except` outside its block, `endPort` below `port`, an unknown field (`podSelecter`), a priority out of range.

## Why it matters
The object is refused when it is applied, and what was there before stays. Until it is mended nothing is certain about whom it would select, and verdicts say so.

## Example
    ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [192.168.0.0/16]}}]}]   # not inside 10.0.0.0/8

## How to mend
Correct the field; the message says what was expected.

## Sources
Kubernetes pkg/apis/networking/validation; network-policy-api apis/*; libcalico-go lib/validator; Cilium pkg/policy/api.
"""

import re
from collections.abc import Iterator

from analyzer.query.field_names import name_place
from analyzer.query.policy_findings import complaints
from analyzer.rule import Edit, Finding, Network, Rule, Severity

UNKNOWN = re.compile(
    r"unknown field '(?:[^']*\.)?(?P<field>[^'.]+)'(?: in a label selector)?(?:; did you mean (?P<meant>\w+)\?)?"
)

WORD = re.compile(r"^(?:protocol|action|\w*[tT]ypes\[\d+\])(?: is)? '(?P<written>\w+)'(?:: it)? must be (?P<among>.+)")
"""A word that is none of those that are known, which may be written in other letters."""


QUOTED = re.compile(r"port '(\d{1,5})' must be a number")
RANGE = re.compile(r"port '(\d{1,5})\s*[-:]\s*(\d{1,5})' must be a number")
MOST = 65535


def check(network: Network) -> Iterator[Finding]:
    for item in complaints(network, rejected=True):
        found = UNKNOWN.search(item.message)
        at = name_place(network, item.at, found["field"]) if found else item.at
        meant = (found and found["meant"]) or known_word(item.message) or unquoted(item.message)
        edits = [Edit(at, meant, found["field"] if found else None)] if meant and at.end_column else []
        yield RULE.finding(at, item.message, help=f"write {meant}" if meant else ports(item.message), edits=edits)


def known_word(message: str) -> str:
    """The word that is meant, where it was written with other capital letters; empty where none is."""
    found = WORD.search(message)
    among = re.findall(r"\w+", found["among"]) if found else []
    return next((word for word in among if found and word.lower() == found["written"].lower()), "")


def unquoted(message: str) -> str:
    """The number of a port that is written as a text; empty where it is none."""
    found = QUOTED.match(message)
    return found[1] if found and 1 <= int(found[1]) <= MOST else ""


def ports(message: str) -> str:
    """What to write for a range of ports that is written as one; empty where it is none."""
    found = RANGE.match(message)
    return f"write port: {found[1]} and endPort: {found[2]}" if found and int(found[1]) <= int(found[2]) <= MOST else ""


RULE = Rule("policy-rejected", Severity.ERROR, __doc__, check, follows=("manifest-kind-unknown",))
