"""What a node with Cilium shows, and objects of a cluster, as texts with places to fill (``cilium_cluster.py``)."""

NODE_LINKS = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 minmtu 0 maxmtu 0
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000
    link/ether 52:54:00:00:02:{node:02x} brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535
    inet 192.168.0.{address}/24 scope global eth0
       valid_lft forever preferred_lft forever
3: cilium_net@cilium_host: <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether aa:00:00:00:00:{node:02x} brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535
    veth numtxqueues 1 numrxqueues 1
4: cilium_host@cilium_net: <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether aa:00:00:00:01:{node:02x} brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535
    veth numtxqueues 1 numrxqueues 1
    inet 10.244.{node}.200/32 scope global cilium_host
       valid_lft forever preferred_lft forever
"""
TUNNEL_LINK = """\
5: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether aa:00:00:00:02:{node:02x} brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535
    {kind} udpcsum noudp6zerocsumtx noudp6zerocsumrx numtxqueues 1 numrxqueues 1
"""
LXC_LINK = """\
{index}: {device}@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether {mac} brd ff:ff:ff:ff:ff:ff link-netns {space} promiscuity 0 minmtu 68 maxmtu 65535
    veth numtxqueues 1 numrxqueues 1
"""
POD_LINKS = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 minmtu 0 maxmtu 0
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
3: eth0@if{pod.number}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether {pod.mac} brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0 minmtu 68 maxmtu 65535
    veth numtxqueues 1 numrxqueues 1
    inet {pod.address}/32 scope global eth0
       valid_lft forever preferred_lft forever
"""
POD_ROUTES = """\
default via {router} dev eth0 mtu 1450
{router} dev eth0 scope link
local {pod.address} dev eth0 table local proto kernel scope host src {pod.address}
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1
local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1
"""
NODE_ROUTES = """
{own} dev cilium_host proto kernel scope link
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.{address}
default via 192.168.0.1 dev eth0
local {own} dev cilium_host table local proto kernel scope host src {own}
local default dev lo table 2004 proto kernel scope host
local 192.168.0.{address} dev eth0 table local proto kernel scope host src 192.168.0.{address}
broadcast 192.168.0.255 dev eth0 table local proto kernel scope link src 192.168.0.{address}
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1
local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1
"""
RULES = """\
9:	from all fwmark 0x200/0xf00 lookup 2004
100:	from all lookup local
32766:	from all lookup main
32767:	from all lookup default
"""
SYSCTLS = """\
net.ipv4.ip_forward = 1
net.ipv4.conf.all.forwarding = 1
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.default.rp_filter = 0
net.ipv4.conf.all.route_localnet = 0
"""
MASQUERADE_FIRST = "-A CILIUM_POST_nat -s 10.244.@NODE@.0/24 ! -d"
EXCLUDED = """\
-A CILIUM_POST_nat -s 10.244.@NODE@.0/24 -m set --match-set cilium_node_set_v4 dst -m comment --comment "exclude traffic to cluster nodes from masquerade" -j ACCEPT
"""
MASQUERADE = """\
-A CILIUM_POST_nat -s 10.244.@NODE@.0/24 ! -d @NATIVE@ ! -o cilium_+ -m comment --comment "cilium masquerade non-cluster" -j MASQUERADE
-A CILIUM_POST_nat -m mark --mark 0xa00/0xe00 -m comment --comment "exclude proxy return traffic from masquerade" -j ACCEPT
@TUNNEL@-A CILIUM_POST_nat -s 127.0.0.1/32 -o cilium_host -m comment --comment "cilium host->cluster from 127.0.0.1 masquerade" -j SNAT --to-source 10.244.@NODE@.200
-A CILIUM_POST_nat -o cilium_host -m mark --mark 0xf00/0xf00 -m conntrack --ctstate DNAT -m comment --comment "hairpin traffic that originated from a local pod" -j SNAT --to-source 10.244.@NODE@.200
"""
TO_CLUSTER = """\
-A CILIUM_POST_nat ! -s 10.244.@NODE@.0/24 ! -d 10.244.@NODE@.0/24 -o cilium_host -m comment --comment "cilium host->cluster masquerade" -j SNAT --to-source 10.244.@NODE@.200
"""
RULESET = """\
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:CILIUM_OUTPUT_raw - [0:0]
:CILIUM_PRE_raw - [0:0]
-A PREROUTING -m comment --comment "cilium-feeder: CILIUM_PRE_raw" -j CILIUM_PRE_raw
-A OUTPUT -m comment --comment "cilium-feeder: CILIUM_OUTPUT_raw" -j CILIUM_OUTPUT_raw
-A CILIUM_OUTPUT_raw -o lxc+ -m mark --mark 0xa00/0xfffffeff -m comment --comment "cilium: NOTRACK for proxy return traffic" -j CT --notrack
-A CILIUM_PRE_raw -m mark --mark 0x200/0xf00 -m comment --comment "cilium: NOTRACK for proxy traffic" -j CT --notrack
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:CILIUM_POST_nat - [0:0]
-A POSTROUTING -m comment --comment "cilium-feeder: CILIUM_POST_nat" -j CILIUM_POST_nat
@MASQUERADE@COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:CILIUM_FORWARD - [0:0]
:CILIUM_INPUT - [0:0]
:CILIUM_OUTPUT - [0:0]
-A INPUT -m comment --comment "cilium-feeder: CILIUM_INPUT" -j CILIUM_INPUT
-A FORWARD -m comment --comment "cilium-feeder: CILIUM_FORWARD" -j CILIUM_FORWARD
-A OUTPUT -m comment --comment "cilium-feeder: CILIUM_OUTPUT" -j CILIUM_OUTPUT
-A CILIUM_FORWARD -o cilium_host -m comment --comment "cilium: any->cluster on cilium_host forward accept" -j ACCEPT
-A CILIUM_FORWARD -i cilium_host -m comment --comment "cilium: cluster->any on cilium_host forward accept (nodeport)" -j ACCEPT
-A CILIUM_FORWARD -i lxc+ -m comment --comment "cilium: cluster->any on lxc+ forward accept" -j ACCEPT
-A CILIUM_FORWARD -i cilium_net -m comment --comment "cilium: cluster->any on cilium_net forward accept (nodeport)" -j ACCEPT
-A CILIUM_INPUT -m mark --mark 0x200/0xf00 -m comment --comment "cilium: ACCEPT for proxy traffic" -j ACCEPT
-A CILIUM_OUTPUT -m mark ! --mark 0xe00/0xf00 -m mark ! --mark 0xd00/0xf00 -m mark ! --mark 0xa00/0xe00 -m comment --comment "cilium: host->any mark as from host" -j MARK --set-xmark 0xc00/0xf00
COMMIT
"""
STATUS = """\
KVStore:                 Disabled
Kubernetes:              Ok         1.30 (v1.30.4) [linux/amd64]
KubeProxyReplacement:    {replacement}
Host firewall:           {firewall}
SRv6:                    Disabled
Cilium:                  Ok   1.16.5 (v1.16.5-ad688277)
NodeMonitor:             Listening for events on 4 CPUs with 64x4096 of shared memory
IPAM:                    IPv4: 4/254 allocated from 10.244.1.0/24,
IPv4 BIG TCP:            Disabled
BandwidthManager:        Disabled
Routing:                 Network: {network}   Host: {host}
Masquerading:            {masquerade} [IPv4: Enabled, IPv6: Disabled]
Controller Status:       24/24 healthy
Proxy Status:            OK, ip 10.244.1.200, 0 redirects active on ports 10000-20000, Envoy: external
Encryption:              {encryption}
Cluster health:          2/2 reachable   (2026-01-12T09:14:03Z)
KubeProxyReplacement Details:
  Status:                 True
  Socket LB:              Enabled
  Mode:                   {mode}
  Backend Selection:      Random
"""
NODE = """\
apiVersion: v1
kind: Node
metadata: {{name: n{node}}}
spec: {{podCIDR: 10.244.{node}.0/24, podCIDRs: [10.244.{node}.0/24]}}
status: {{addresses: [{{type: InternalIP, address: 192.168.0.{address}}}]}}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {pod.name}, namespace: {pod.namespace}, labels: {{app: {pod.app}}}}}
spec: {{nodeName: n{pod.node}, containers: [{{name: app, image: example.com/app}}]}}
status: {{podIP: {pod.address}, phase: Running, podIPs: [{{ip: {pod.address}}}]}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  type: ClusterIP
  clusterIP: {service.address}
  clusterIPs: [{service.address}]
  selector: {{app: {name}}}
  ports: [{{port: {service.port}, protocol: {service.protocol}, targetPort: {port}}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints:
{ends}
ports: [{{port: {port}, protocol: {service.protocol}, name: ""}}]
"""
POLICY = """\
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {kubernetes.io/metadata.name: default}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}
      podSelector: {matchLabels: {app: web}}
    ports: [{port: 5432, protocol: TCP}]
"""
