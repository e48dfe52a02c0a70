#!/bin/sh
# Captures the network state of this node for `analyze`. Run as root on each node:
#
#   sh collect.sh [--node NAME] [--output DIR] [--tar]
#
# Writes DIR/nodes/NAME/… (default: the host's name, ./analyzer-dump). It reads and changes nothing else: no table, no module
# option, no namespace. It copies no token, no private key and no environment. What a command says when it fails is
# kept in FILE.error. Needs a POSIX shell (dash, BusyBox ash) and whichever of ip, bridge, tc, iptables, nft, ipset, ipvsadm,
# conntrack, ss, ethtool, nmcli, networkctl, ovs-vsctl, ovs-ofctl, ovn-nbctl, ovn-sbctl, cilium-dbg, birdcl, vtysh and crictl the
# node has.

set -u
umask 077
LC_ALL=C
export LC_ALL
PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

NODE=
OUTPUT=./analyzer-dump
TAR=

usage() {
    echo "usage: collect.sh [--node NAME] [--output DIR] [--tar]"
    echo "  --node NAME    the node's name as Kubernetes has it (default: the host's name)"
    echo "  --output DIR   where to write (default: ./analyzer-dump); the files go to DIR/nodes/NAME"
    echo "  --tar          also write DIR.tar"
}

fail() {
    echo "collect.sh: $*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --node) [ $# -gt 1 ] || fail "--node wants a name"; NODE=$2; shift ;;
        --node=*) NODE=${1#*=} ;;
        --output) [ $# -gt 1 ] || fail "--output wants a directory"; OUTPUT=$2; shift ;;
        --output=*) OUTPUT=${1#*=} ;;
        --tar) TAR=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

[ -n "$NODE" ] || NODE=$(hostname 2>/dev/null || cat /proc/sys/kernel/hostname) || fail "no host name; use --node NAME"
case $NODE in
    '' | . | .. | */*) fail "'$NODE' cannot be the name of a node" ;;
esac
case $OUTPUT in
    /*) ;;
    *) OUTPUT=$(pwd)/$OUTPUT ;;
esac
[ "$(id -u)" = 0 ] || echo "collect.sh: not root: much will be missing" >&2

HOME_DIR=$OUTPUT/nodes/$NODE
if [ -e "$HOME_DIR" ] && [ -n "$(ls -A "$HOME_DIR" 2>/dev/null)" ]; then
    fail "$HOME_DIR is not empty: name another --output, or remove it first"
fi
mkdir -p "$HOME_DIR" || fail "cannot create $HOME_DIR"

# BusyBox shells may prefer their own `ip`, which says less: the full one is called by its path where it is there.
IP=ip
for candidate in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip /usr/local/sbin/ip; do
    case $("$candidate" -V 2>/dev/null) in
        *iproute2*) IP=$candidate; break ;;
    esac
done

# The namespace that commands run in (empty: the node's own), and the folder that their output goes to.
NS=
DIR=$HOME_DIR

has() {
    command -v "$1" >/dev/null 2>&1
}

in_namespace() {
    if [ -z "$NS" ]; then
        "$@"
    elif has nsenter; then
        nsenter --net="$NS" "$@"
    else
        case $NS in
            /run/netns/* | /var/run/netns/*) "$IP" netns exec "${NS##*/}" "$@" ;;
            *) echo "neither nsenter nor a name for $NS" >&2; return 1 ;;
        esac
    fi </dev/null
}

# save FILE COMMAND…: the command's output as FILE; its complaint as FILE.error where it fails.
save() {
    file=$1
    shift
    if ! has "$1"; then
        [ -n "$NS" ] || echo "$1 is not installed" >"$DIR/$file.error"
        return 1
    fi
    if in_namespace "$@" >"$DIR/$file" 2>"$DIR/$file.error"; then
        rm -f "$DIR/$file.error"
        return 0
    fi
    rm -f "$DIR/$file"
    [ -s "$DIR/$file.error" ] || echo "failed: $*" >"$DIR/$file.error"
    return 1
}

# instead FILE…: forgets the complaint of an earlier attempt.
instead() {
    for file in "$@"; do
        rm -f "$DIR/$file.error"
    done
}

# ip_json NAME TEXT-NAME OPTIONS…: `ip -d -j …`, else `ip -d …`, else `ip …` (BusyBox).
ip_json() {
    json=$1
    text=$2
    shift 2
    if [ "$JSON" = yes ]; then
        save "$json" "$IP" -d -j "$@"
        return
    fi
    save "$text" "$IP" -d "$@" && return
    instead "$text"
    save "$text" "$IP" "$@"
}

JSON=no
"$IP" -j link show lo >/dev/null 2>&1 && JSON=yes

interfaces() {
    ip_json ip_addr.json ip_-d_addr addr show
    ip_json ip_link.json ip_-d_link link show
    ip_json ip_route.json ip_route_show_table_all route show table all
    ip_json ip_-6_route.json ip_-6_route_show_table_all -6 route show table all
    ip_json ip_rule.json ip_rule rule show
    ip_json ip_-6_rule.json ip_-6_rule -6 rule show
    if [ "$JSON" = yes ]; then
        save ip_neigh.json "$IP" -j neigh show nud all || save ip_neigh.json "$IP" -j neigh show
        save ip_neigh_proxy.json "$IP" -j neigh show proxy
        save ip_nexthop.json "$IP" -d -j nexthop show
    else
        save ip_neigh "$IP" neigh show
        instead ip_neigh_proxy ip_nexthop
    fi
}

bridges() {
    if ! has bridge; then
        [ -n "$NS" ] || echo "bridge is not installed" >"$DIR/bridge_fdb.error"
        return
    fi
    for object in fdb link vlan; do
        save "bridge_$object.json" bridge -d -j "$object" show && continue
        save "bridge_$object.json" bridge -j "$object" show && continue
        instead "bridge_$object.json"
        save "bridge_$object" bridge -d "$object" show && continue
        instead "bridge_$object"
        save "bridge_$object" bridge "$object" show
    done
}

# backend COMMAND: which tables an iptables-save shows, by its own word.
backend() {
    case $("$1" --version 2>/dev/null) in
        *nf_tables*) echo nft ;;
        *) echo legacy ;;
    esac
}

# netfilter_family PREFIX FAMILY NAMES: iptables or ip6tables; ip or ip6; ip_tables_names or ip6_tables_names.
# A table is never made by looking at it: each back end is asked only for what the kernel already has.
netfilter_family() {
    prefix=$1
    nft=
    legacy=
    has "$prefix-save" && case $(backend "$prefix-save") in
        nft) nft=$prefix-save ;;
        legacy) legacy=$prefix-save ;;
    esac
    has "$prefix-nft-save" && nft=$prefix-nft-save
    has "$prefix-legacy-save" && legacy=$prefix-legacy-save
    # A kernel without the table names of xtables has no legacy tables.
    names=$(in_namespace cat "/proc/net/$3" 2>/dev/null)
    if [ -z "$names" ]; then
        echo "# no legacy tables" >"$DIR/$prefix-legacy-save"
    elif [ -n "$legacy" ]; then
        save "$prefix-legacy-save" "$legacy"
    else
        echo "the kernel has legacy tables ($names), and no $prefix-legacy-save is installed" | tr '\n' ' ' >"$DIR/$prefix-legacy-save.error"
    fi
    if has nft && tables=$(in_namespace nft list tables 2>/dev/null) &&
        ! echo "$tables" | grep -E "^table $2 (raw|mangle|nat|filter|security)\$" >/dev/null; then
        echo "# no nf_tables tables of $prefix" >"$DIR/$prefix-save"
    elif [ -n "$nft" ]; then
        save "$prefix-save" "$nft"
    elif has nft; then
        echo "the kernel has nf_tables tables of $prefix, and no $prefix-nft-save is installed: see nft_list_ruleset" >"$DIR/$prefix-save.error"
    elif [ -e /proc/sys/net/netfilter ] && in_namespace cat /proc/modules 2>/dev/null | grep '^nf_tables ' >/dev/null; then
        echo "the kernel has nf_tables, and neither nft nor $prefix-nft-save is installed" >"$DIR/$prefix-save.error"
    elif [ -n "$legacy" ]; then
        echo "# no nf_tables tables of $prefix" >"$DIR/$prefix-save"
    else
        [ -n "$NS" ] || echo "$prefix-save is not installed" >"$DIR/$prefix-save.error"
    fi
}

netfilter() {
    netfilter_family iptables ip ip_tables_names
    netfilter_family ip6tables ip6 ip6_tables_names
    if has nft; then
        save nft_list_ruleset nft list ruleset
    fi
    # Those of the nf_tables back end are in the list of nft.
    if [ -n "$(in_namespace cat /proc/net/arp_tables_names 2>/dev/null)" ] && has arptables-legacy-save; then
        save arptables-save arptables-legacy-save
    fi
    if [ -e /sys/module/ebtables ] && has ebtables-legacy-save; then
        save ebtables-save ebtables-legacy-save
    fi
    if has ipset; then
        save ipset_save ipset save
    fi
    if ! in_namespace test -e /proc/net/ip_vs; then
        : >"$DIR/ipvsadm-save"
    elif has ipvsadm-save; then
        save ipvsadm-save ipvsadm-save -n
    else
        save ipvsadm-save ipvsadm -S -n
    fi
    queues
    connections
}

# Which devices the host's own programs for networks manage.
managers() {
    [ -z "$NS" ] || return
    # Where one does not run, it manages nothing.
    if has nmcli; then
        save nmcli_device_status nmcli device status || rm -f "$DIR/nmcli_device_status" "$DIR/nmcli_device_status.error"
    fi
    if has networkctl; then
        save networkctl_list networkctl --no-pager list || rm -f "$DIR/networkctl_list" "$DIR/networkctl_list.error"
    fi
}

# The queues that programs listen on. A kernel without the module has none: nobody does.
queues() {
    if in_namespace test -e /proc/net/netfilter/nfnetlink_queue; then
        save nfnetlink_queue cat /proc/net/netfilter/nfnetlink_queue
    elif in_namespace test -d /proc/net/netfilter; then
        : >"$DIR/nfnetlink_queue"
    fi
}

connections() {
    if has conntrack; then
        save conntrack conntrack -L || return
        # IPv6 comes apart; a kernel without it says so and has no connections of it.
        in_namespace conntrack -L -f ipv6 >>"$DIR/conntrack" 2>/dev/null
    elif in_namespace test -r /proc/net/nf_conntrack; then
        save conntrack cat /proc/net/nf_conntrack
    elif [ -z "$NS" ]; then
        echo "conntrack is not installed" >"$DIR/conntrack.error"
    fi
}

sockets() {
    if has ss; then
        save ss_-tunlp ss -tunlp
    else
        save netstat_-tunlp netstat -tunlp && return
        instead netstat_-tunlp
        save netstat_-tunl netstat -tunl
    fi
}

traffic_control() {
    save tc_qdisc tc qdisc show || return
    : >"$DIR/tc_filter"
    # Filters hang on ingress and clsact, and on queueing disciplines with classes.
    # `qdisc KIND HANDLE [dev NAME] …`
    awk '
        { device = ""; for (i = 3; i < NF; i++) if ($i == "dev") { device = $(i + 1); break } }
        device == "" { next }
        $2 == "ingress" || $2 == "clsact" { print device, "ingress"; if ($2 == "clsact") print device, "egress"; next }
        $2 !~ /^(noqueue|pfifo|bfifo|pfifo_fast|fq_codel|fq|mq|codel|sfq|tbf|netem)$/ { print device, "root" }
    ' "$DIR/tc_qdisc" | sort -u | while read -r device hook; do
        where=$hook
        [ "$hook" = root ] && where=
        # shellcheck disable=SC2086
        if filters=$(in_namespace tc filter show dev "$device" $where 2>&1); then
            echo "# dev $device $hook"
            [ -z "$filters" ] || echo "$filters"
        else
            echo "tc filter show dev $device $where: $filters" >>"$DIR/tc_filter.error"
        fi
    done >"$DIR/tc_filter"
    [ -s "$DIR/tc_filter" ] || echo "# no filters" >"$DIR/tc_filter"
}

kernel_switches() {
    # Keys of TCP fast open and of stable addresses are secrets.
    if has sysctl; then
        in_namespace sysctl -a 2>/dev/null | grep '^net\.' | grep -v -e '_key' -e 'stable_secret' >"$DIR/sysctl_net"
    fi
    [ -s "$DIR/sysctl_net" ] && return
    rm -f "$DIR/sysctl_net"
    echo "sysctl is not installed, or shows nothing" >"$DIR/sysctl_net.error"
}

tunnels() {
    devices=$(in_namespace "$IP" -d -o link show 2>/dev/null |
        awk '/ (vxlan|geneve|ipip|gre|gretap|ip6tnl|sit|wireguard) / { sub(/[@:].*/, "", $2); print $2 }')
    for device in $devices; do
        has ethtool && save "ethtool_-k_$device" ethtool -k "$device"
    done
    if has wg && in_namespace "$IP" -d -o link show 2>/dev/null | grep ' wireguard ' >/dev/null; then
        # Only what names no private or preshared key.
        save wg_show_all_endpoints wg show all endpoints
        save wg_show_all_allowed-ips wg show all allowed-ips
        save wg_show_all_public-key wg show all public-key
        save wg_show_all_listen-port wg show all listen-port
        save wg_show_all_fwmark wg show all fwmark
    fi
}

# Open vSwitch, where the node has it: bridges, ports and their numbers, flows, groups. A pre-shared key of IPsec is blanked.
open_vswitch() {
    has ovs-vsctl && [ -S "${OVS_RUNDIR:-/var/run/openvswitch}/db.sock" ] || return
    save ovs-vsctl_show ovs-vsctl --timeout=5 show || return
    save ovs-vsctl_list_interface ovs-vsctl --timeout=5 \
        --columns=name,type,options,external_ids,ofport,error,mtu,mac_in_use list Interface
    save ovs-vsctl_list_port ovs-vsctl --timeout=5 --columns=name,tag,trunks,vlan_mode list Port
    save ovs-vsctl_list_bridge ovs-vsctl --timeout=5 --columns=name,fail_mode,datapath_type list Bridge
    for file in ovs-vsctl_show ovs-vsctl_list_interface; do
        [ -f "$DIR/$file" ] || continue
        sed 's/psk="[^"]*"/psk="redacted"/g; s/psk=[^",}]*/psk=redacted/g' "$DIR/$file" >"$DIR/.$file" && mv "$DIR/.$file" "$DIR/$file"
    done
    has ovs-ofctl || return
    versions=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15
    for switch in $(ovs-vsctl --timeout=5 list-br 2>/dev/null); do
        save "ovs-ofctl_show_$switch" ovs-ofctl -t 10 -O $versions show "$switch"
        save "ovs-ofctl_dump-flows_$switch" ovs-ofctl -t 60 -O $versions dump-flows "$switch"
        save "ovs-ofctl_dump-groups_$switch" ovs-ofctl -t 60 -O $versions dump-groups "$switch"
    done
}

# OVN's databases, where this node reaches them without more than their default socket.
logical_network() {
    if has ovn-nbctl && [ -S "${OVN_RUNDIR:-/var/run/ovn}/ovnnb_db.sock" ]; then
        save ovn-nbctl_show ovn-nbctl --no-leader-only --timeout=5 show
        for table in Logical_Switch Logical_Switch_Port Logical_Router Logical_Router_Port Logical_Router_Static_Route \
            Logical_Router_Policy ACL Load_Balancer NAT Address_Set Port_Group; do
            save "ovn-nbctl_list_$table" ovn-nbctl --no-leader-only --timeout=10 list "$table"
        done
    fi
    if has ovn-sbctl && [ -S "${OVN_RUNDIR:-/var/run/ovn}/ovnsb_db.sock" ]; then
        save ovn-sbctl_show ovn-sbctl --no-leader-only --timeout=5 show
    fi
}

# Cilium's maps and what its agent says of itself, where the agent's program is on the node, or in the agent's container and crictl reaches that.
# Only listings are asked for. (A program `cilium` on the node is another one: it asks the cluster.)
cilium() {
    if has cilium-dbg; then
        agent=cilium-dbg
    elif has crictl && container=$(crictl --timeout 10s ps --state Running --name '^cilium-agent$' -q 2>/dev/null | head -n 1) &&
        [ -n "$container" ]; then
        agent="crictl exec $container cilium-dbg"
        # shellcheck disable=SC2086
        $agent version </dev/null >/dev/null 2>&1 || agent="crictl exec $container cilium"
    else
        return
    fi
    # shellcheck disable=SC2086
    {
        save cilium_status_--verbose $agent status --verbose
        save cilium_bpf_ipcache_list $agent bpf ipcache list
        save cilium_bpf_endpoint_list $agent bpf endpoint list
        save cilium_bpf_lb_list $agent bpf lb list
        save cilium_bpf_lb_list_--source-ranges $agent bpf lb list --source-ranges
        save cilium_bpf_egress_list $agent bpf egress list || instead cilium_bpf_egress_list
        save cilium_bpf_policy_get_--all_--numeric $agent bpf policy get --all --numeric
        save cilium_endpoint_list.json $agent endpoint list -o json
        save cilium_identity_list.json $agent identity list -o json
        save cilium_encrypt_status $agent encrypt status
        save cilium_bgp_peers $agent bgp peers || instead cilium_bgp_peers
        # Until 1.17.
        save cilium_bpf_tunnel_list $agent bpf tunnel list || instead cilium_bpf_tunnel_list
    }
}

# in_container NAME: how a command is run in the container of that name; fails where there is none, or crictl does not reach it.
in_container() {
    has crictl || return 1
    found=$(crictl --timeout 10s ps --state Running --name "^$1\$" -q 2>/dev/null | head -n 1)
    [ -n "$found" ] && echo "crictl exec $found"
}

# bird NAME CLIENT…: sessions, the table, and what goes out to each of the first sessions.
bird() {
    name=$1
    shift
    save "${name}_show_protocols_all" "$@" show protocols all || return
    save "${name}_show_route_all" "$@" show route all
    for session in $(awk '$2 == "BGP" && / Established/ { print $1 }' "$DIR/${name}_show_protocols_all" | head -n 32); do
        save "${name}_show_route_export_$session" "$@" show route export "$session"
    done
}

# birds FOLDER COMMAND…: the daemons of both families by their control sockets in a folder.
birds() {
    folder=$1
    shift
    [ ! -S "$folder/bird.ctl" ] || bird birdcl "$@" -s "$folder/bird.ctl"
    [ ! -S "$folder/bird6.ctl" ] || bird birdcl6 "$@" -s "$folder/bird6.ctl"
}

# Weave's peer answers on the loopback address; its report holds no password.
weave() {
    [ -e /sys/class/net/weave ] && has curl || return
    save weave_report.json curl -s -f -m 10 -H "Accept: application/json" http://127.0.0.1:6784/report
}

# Routing daemons: BIRD by its control sockets (Calico's, where the node has no client of its own, through its container), FRR, and GoBGP in kube-router.
routing_daemons() {
    client=
    for program in birdcl birdc; do
        [ -n "$client" ] || ! has "$program" || client=$program
    done
    calico=$(in_container calico-node) && if ls /sys/fs/bpf/tc/globals/cali_v4_* >/dev/null 2>&1; then
        # shellcheck disable=SC2086
        save calico-node_-bpf_routes_dump $calico calico-node -bpf routes dump
        # shellcheck disable=SC2086
        save calico-node_-bpf_nat_dump $calico calico-node -bpf nat dump
    fi
    [ -z "$calico" ] || calico="$calico birdcl"
    for folder in /run/bird /run; do
        # shellcheck disable=SC2086
        [ -z "$client" ] || birds "$folder" $client
    done
    # shellcheck disable=SC2086
    [ -z "${calico:-$client}" ] || birds /var/run/calico ${calico:-$client}
    if has vtysh && [ -e /run/frr/zebra.vty ]; then
        save vtysh_-c_show_bgp_summary_json vtysh -c "show bgp summary json"
        save vtysh_-c_show_bgp_ipv4_unicast_json vtysh -c "show bgp ipv4 unicast json"
        save vtysh_-c_show_ip_route_json vtysh -c "show ip route json"
        save vtysh_-c_show_ipv6_route_json vtysh -c "show ipv6 route json"
    fi
    if router=$(in_container kube-router); then
        # shellcheck disable=SC2086
        save gobgp_neighbor_-j $router gobgp neighbor -j
        without_secrets gobgp_neighbor_-j
        # shellcheck disable=SC2086
        save gobgp_global_rib_-j $router gobgp global rib -j
    fi
}

namespace_state() {
    interfaces
    bridges
    netfilter
    sockets
    managers
    traffic_control
    kernel_switches
    tunnels
}

# blanked: standard input without secrets: the values of JSON keys such as "k8s_auth_token" (a text, a list or a number, also on
# the next line), lines of YAML with such keys, private keys, and the user and password of URLs.
blanked() {
    secret='([Tt][Oo][Kk][Ee][Nn]|[Pp][Aa][Ss][Ss]([Ww]|[Pp][Hh][Rr])|[Ss][Ee][Cc][Rr][Ee][Tt]|[Cc][Rr][Ee][Dd][Ee][Nn][Tt][Ii][Aa][Ll]|[Bb][Ee][Aa][Rr][Ee][Rr]|[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz]|([Cc][Ll][Ii][Ee][Nn][Tt]|[Aa][Pp][Ii]|[Pp][Rr][Ii][Vv][Aa][Tt][Ee]|[Aa][Cc][Cc][Ee][Ss][Ss])[-_]*[Kk][Ee][Yy])'
    text='"([^"\\]|\\.)*"'
    sed -E -e ':a' -e "/\"[^\"]*$secret[^\"]*\"[[:space:]]*:?[[:space:]]*\$/{" -e '$!{' -e 'N' -e 'ba' -e '}' -e '}' \
        -e "s/(\"[^\"]*$secret[^\"]*\"[[:space:]]*:[[:space:]]*)($text|\\[[^]]*\\]|[0-9][^],}[:space:]]*)/\\1\"redacted\"/g" \
        -e "s/^([[:space:]]*[^\":[:space:]]*$secret[^\":]*:).*/\\1 redacted/" \
        -e 's/-----BEGIN [A-Z ]*PRIVATE KEY[^"]*/redacted/g' \
        -e 's,(://)[^/"@[:space:]]*@,\1redacted@,g'
}

# redacted FILE TARGET: a copy without secrets. A private key on lines of its own is no JSON: such a file is left out, which is said.
redacted() {
    mkdir -p "${2%/*}" || return
    if [ "$(grep -c -e 'BEGIN .*PRIVATE KEY' "$1")" != "$(grep -c -e 'BEGIN .*PRIVATE KEY.*END .*PRIVATE KEY' "$1")" ]; then
        echo "left out, since a private key is in it" >"$2.error"
        return
    fi
    blanked <"$1" >"$2" 2>"$2.error" && rm -f "$2.error"
}

# without_secrets FILE: what was saved as FILE, blanked.
without_secrets() {
    [ ! -f "$DIR/$1" ] || { blanked <"$DIR/$1" >"$DIR/.$1" && mv "$DIR/.$1" "$DIR/$1"; }
}

# Where CNI configuration lies: the standard place, else that of k3s, RKE2, MicroK8s and OpenShift.
cni_configuration() {
    for folder in /etc/cni/net.d /var/lib/rancher/k3s/agent/etc/cni/net.d /var/lib/rancher/rke2/agent/etc/cni/net.d \
        /var/snap/microk8s/current/args/cni-network /etc/kubernetes/cni/net.d; do
        files=$(find -L "$folder" -type f 2>/dev/null | grep -E '\.(conf|conflist|json)$' | sort)
        [ -n "$files" ] || continue
        echo "$files" | while read -r path; do
            redacted "$path" "$DIR/etc/cni/net.d/${path#"$folder"/}"
        done
        break
    done
    for folder in /opt/cni/bin /usr/lib/cni /usr/libexec/cni /var/lib/rancher/k3s/data/current/bin /var/lib/cni/bin \
        /var/snap/microk8s/current/opt/cni/bin; do
        [ -d "$folder" ] || continue
        ls -1 "$folder" >"$DIR/opt_cni_bin" 2>/dev/null
        break
    done
}

# leases FOLDER: the store of host-local: one file for each address, the container's id and interface inside.
leases() {
    [ -d "$1" ] || return
    find "$1" -type f 2>/dev/null | sort | while read -r path; do
        case ${path##*/} in
            last_reserved_ip.* | lock | [0-9a-fA-F]*[.:_]*[0-9a-fA-F:]*) ;;
            *) continue ;;
        esac
        target=$DIR/var/lib/cni/networks/${path#"$1"/}
        mkdir -p "${target%/*}" && head -c 4096 "$path" >"$target" 2>/dev/null
    done
}

# Docker's own records: networks with their containers, and what is published.
docker_records() {
    has docker && docker version >/dev/null 2>&1 || return 0
    found=$(docker network ls -q 2>/dev/null) && [ -n "$found" ] || return 0
    # shellcheck disable=SC2086
    save docker_network_inspect docker network inspect $found
    without_secrets docker_network_inspect
    # Not the command lines and labels, which may have secrets.
    save docker_ps_--format_json docker ps --no-trunc \
        --format '{"ID":{{json .ID}},"Names":{{json .Names}},"Networks":{{json .Networks}},"Ports":{{json .Ports}},"State":{{json .State}}}'
}

node_files() {
    docker_records
    cni_configuration
    leases /var/lib/cni/networks
    for folder in $(cat "$DIR"/etc/cni/net.d/*.conf* 2>/dev/null | grep -o '"dataDir" *: *"/[^" ]*"' | sed 's/.*"\(\/[^"]*\)"/\1/' | sort -u); do
        [ "$folder" = /var/lib/cni/networks ] || leases "$folder"
    done
    if [ -f /run/flannel/subnet.env ]; then
        mkdir -p "$DIR/run/flannel" && cat /run/flannel/subnet.env >"$DIR/run/flannel/subnet.env"
    fi
    for path in /usr/share/iproute2/rt_tables /etc/iproute2/rt_tables /etc/iproute2/rt_tables.d/*.conf; do
        [ -f "$path" ] && cat "$path" >>"$DIR/rt_tables"
    done
    if [ -f /etc/resolv.conf ]; then
        mkdir -p "$DIR/etc" && cat /etc/resolv.conf >"$DIR/etc/resolv.conf"
    fi
}

# inode PATH: the number of a namespace.
inode() {
    ls -Lid "$1" 2>/dev/null | awk '{ print $1; exit }'
}

# value KEY: the first string of that key in the JSON on standard input.
value() {
    grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | sed 's/.*:"\([^"]*\)"$/\1/'
}

# picked FILE PATTERN…: what matches in a JSON file, its white space left out. (BusyBox's grep -o finds but one of several patterns.)
picked() {
    from=$1
    shift
    for pattern in "$@"; do
        tr -d ' \t\n' <"$from" | grep -o -e "$pattern"
    done
}

# pod_line PATH NAMESPACE POD: "NUMBER NAMESPACE_POD", where all is known.
pod_line() {
    [ -n "$1" ] && [ -n "$2" ] && [ -n "$3" ] && [ -e "$1" ] || return
    number=$(inode "$1")
    [ -z "$number" ] || echo "$number $2_$3"
}

# Which pod a namespace belongs to, from the state that runtimes keep. Only names and paths are taken from these files.
pods() {
    # containerd: the sandbox's bundle.
    for file in /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json \
        /run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json \
        /var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json; do
        [ -f "$file" ] || continue
        text=$(picked "$file" '"io.kubernetes.cri.sandbox-name[a-z]*":"[^"]*"' '"type":"network","path":"[^"]*"')
        path=$(echo "$text" | sed -n 's/.*"network","path":"\([^"]*\)".*/\1/p' | head -n 1)
        [ -n "$path" ] || path=/proc/$(cat "${file%/*}/init.pid" 2>/dev/null)/ns/net
        pod_line "$path" "$(echo "$text" | value io.kubernetes.cri.sandbox-namespace)" "$(echo "$text" | value io.kubernetes.cri.sandbox-name)"
    done
    # CRI-O.
    for file in /run/containers/storage/overlay-containers/*/userdata/config.json /var/run/crio/*/config.json; do
        [ -f "$file" ] || continue
        text=$(picked "$file" '"io.kubernetes.pod.name[a-z]*":"[^"]*"' '"type":"network","path":"[^"]*"')
        path=$(echo "$text" | sed -n 's/.*"network","path":"\([^"]*\)".*/\1/p' | head -n 1)
        pod_line "$path" "$(echo "$text" | value io.kubernetes.pod.namespace)" "$(echo "$text" | value io.kubernetes.pod.name)"
    done
    # dockerd (cri-dockerd).
    for file in /var/lib/docker/containers/*/config.v2.json; do
        [ -f "$file" ] || continue
        text=$(picked "$file" '"io.kubernetes.pod.name[a-z]*":"[^"]*"' '"Pid":[0-9]*')
        pid=$(echo "$text" | sed -n 's/"Pid":\([1-9][0-9]*\)/\1/p' | head -n 1)
        pod_line "/proc/$pid/ns/net" "$(echo "$text" | value io.kubernetes.pod.namespace)" "$(echo "$text" | value io.kubernetes.pod.name)"
    done
    # The results that libcni keeps, whatever the runtime.
    for file in /var/lib/cni/results/* /var/lib/cni/cache/results/*; do
        [ -f "$file" ] || continue
        text=$(picked "$file" '\["K8S_POD_NAME[A-Z]*","[^"]*"\]' '"sandbox":"[^"]*"')
        pod_line "$(echo "$text" | value sandbox)" \
            "$(echo "$text" | sed -n 's/.*"K8S_POD_NAMESPACE","\([^"]*\)".*/\1/p' | head -n 1)" \
            "$(echo "$text" | sed -n 's/.*"K8S_POD_NAME","\([^"]*\)".*/\1/p' | head -n 1)"
    done
}

# pod_by_process PID: the pod by the uid in a process's control group and the folder of its logs.
pod_by_process() {
    uid=$(grep -o 'pod[0-9a-f]\{8\}[-_][0-9a-f_-]\{27\}' "/proc/$1/cgroup" 2>/dev/null | head -n 1 | sed -e 's/^pod//' -e 's/_/-/g')
    [ -n "$uid" ] || return
    for folder in /var/log/pods/*_*_"$uid"; do
        [ -d "$folder" ] || continue
        folder=${folder##*/}
        echo "${folder%_*}"
        return
    done
}

# Every network namespace but the node's own, once each: "NUMBER PATH". The process table is this node's only where process 1
# lives in this namespace: a node that is itself a namespace of a larger machine sees the processes of the others.
namespaces() {
    own=$(inode /proc/self/ns/net)
    for folder in /run/netns /var/run/netns /run/docker/netns /var/run/docker/netns; do
        [ -d "$folder" ] && ls -Lid "$folder"/* 2>/dev/null
    done >"$HOME_DIR/.namespaces"
    if [ "$(inode /proc/1/ns/net)" = "$own" ]; then
        ls -Lid /proc/[0-9]*/ns/net 2>/dev/null >>"$HOME_DIR/.namespaces"
    fi
    awk -v own="$own" '$1 != own && $1 >= 4026531840 && !seen[$1]++ { print $1, $2 }' "$HOME_DIR/.namespaces"
    rm -f "$HOME_DIR/.namespaces"
}

# folder_for NUMBER PATH: the name of a namespace's folder.
folder_for() {
    name=$(echo "$PODS" | awk -v number="$1" '$1 == number { print $2; exit }')
    case $2 in
        /proc/*)
            pid=${2#/proc/}
            pid=${pid%%/*}
            [ -n "$name" ] || name=$(pod_by_process "$pid")
            [ -n "$name" ] || name=process-$pid
            ;;
        *) [ -n "$name" ] || name=${2##*/} ;;
    esac
    name=$(echo "$name" | tr -c 'A-Za-z0-9_.@+=\n-' '_')
    [ ! -e "$HOME_DIR/netns/$name" ] || name=$name.$1
    echo "$name"
}

# The ids by which interfaces name the namespace of their other end, with the names of the folders here.
namespace_ids() {
    has "$IP" && "$IP" netns list 2>/dev/null | while read -r name rest; do
        number=$(inode "/run/netns/$name")
        [ -n "$number" ] || number=$(inode "/var/run/netns/$name")
        folder=$(echo "$FOLDERS" | awk -v number="$number" '$1 == number { print $2; exit }')
        [ -z "$folder" ] || echo "$folder${rest:+ $rest}"
    done
    has lsns && lsns -t net -n -r -o NS,NETNSID,PATH 2>/dev/null | while read -r number id path; do
        case "$path $id" in
            */proc/*\ [0-9]*) ;;
            *) continue ;;
        esac
        folder=$(echo "$FOLDERS" | awk -v number="$number" '$1 == number { print $2; exit }')
        [ -z "$folder" ] || echo "$folder (id: $id)"
    done
}

namespace_state
open_vswitch
logical_network
routing_daemons
weave
cilium
node_files

PODS=$(pods | sort -u)
FOLDERS=
found=$(namespaces)
count=0
while read -r number path; do
    [ -n "$number" ] || continue
    NS=$path
    # A name without a namespace behind it (a leftover file) cannot be entered.
    in_namespace true 2>/dev/null || continue
    folder=$(folder_for "$number" "$path")
    DIR=$HOME_DIR/netns/$folder
    mkdir -p "$DIR"
    FOLDERS="$FOLDERS$number $folder
"
    namespace_state
    count=$((count + 1))
done <<END
$found
END

NS=
DIR=$HOME_DIR
namespace_ids | awk '!seen[$1]++' >"$DIR/ip_netns"

if [ -n "$TAR" ]; then
    tar -C "$OUTPUT" -cf "$OUTPUT.tar" nodes || fail "tar failed"
fi
echo "collect.sh: $HOME_DIR: the node and $count other namespaces" >&2
