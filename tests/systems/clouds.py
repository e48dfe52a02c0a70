"""The plugins of Amazon, Azure and Google for their own networks."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="AWS VPC CNI, Azure CNI and GKE",
    order=14,
    parsers=(
        "cni-config",
        "ip-addr",
        "ip-route",
        "ip-rule",
        "ip-neigh",
        "iptables-save",
        "kubernetes",
        "cloud-interfaces",
        "cloud-routes",
        "aws-security-groups",
        "amazon-ipamd",
    ),
    plugins=("ptp",),
    profile="aws-vpc-cni",
    rules=("address-record*", "aws-pod-rule-missing", "cloud-*", "gateway-mac-stale", "mark-bits-shared"),
    decided=("truth/aws-vpc-cni.txt", "healthy/aws-vpc-cni.txt", "healthy/gke-alias-addresses.txt"),
    samples=(
        "truth/aws-vpc-cni*.txt",
        "healthy/aws-vpc-cni.txt",
        "healthy/gke-alias-addresses.txt",
        "policies/aws-vpc-cni-groups/*",
        "parsers/amazon-ipamd/*",
        "rules/address-record*-amazon.txt",
    ),
    scenarios=("aws-vpc-cni", "azure", "gke"),
    limits="The cloud's network is a router in the lab, which is captured; of a real capture what the cloud does with packets to the pods of other nodes is open. Security groups and network ACLs are policies here, and not held against packets; pods with interfaces of their own (branch interfaces) and prefixes given to nodes are read as addresses. eBPF programs of the network policy agent are not read.",
)
