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

PROTOCOL = re.compile(r"protocol '(?P<written>tcp|udp|sctp)' must be ", re.IGNORECASE)


def check(network: Network) -> Iterator[Finding]:
    for item in complaints(network, rejected=True):
        found = UNKNOWN.search(item.message)
        at = name_place(network, item.at, found["field"]) if found else item.at
        protocol = PROTOCOL.search(item.message)
        meant = (found and found["meant"]) or (protocol and protocol["written"].upper()) or ""
        edits = [Edit(at, meant, found["field"] if found else None)] if meant and at.end_column else []
        yield RULE.finding(at, item.message, help=f"write {meant}" if meant else "", edits=edits)


RULE = Rule("policy-rejected", Severity.ERROR, __doc__, check, follows=("manifest-kind-unknown",))
