"""Loading: the capture layout, archives, pasted text, and input that means harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from analyzer.capture import Loaded, files, limits, load, loading
from analyzer.capture.layout import position
from analyzer.capture.reading import facts
from analyzer.capture.recognise import by_content
from analyzer.source import Scope

ROUTE = "default via 10.0.0.1 dev eth0 \n10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2 \n"
LINK = "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP\n    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff\n"
FILES = {"nodes/n1/ip_route": ROUTE, "nodes/n1/netns/default_web/ip_addr": LINK}


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Writes the files below the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def shape(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Path, kind and scope of each source."""
    return [(source.path, source.kind, str(source.scope or "")) for source in loaded.sources]


EXPECTED = [("nodes/n1/ip_route", "ip-route", "n1"), ("nodes/n1/netns/default_web/ip_addr", "ip-addr", "n1/default_web")]


def tar_bytes(files: dict[str, str], mode: str = "w") -> bytes:
    """A tar archive of the files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def zip_bytes(files: dict[str, str]) -> bytes:
    """A zip archive of the files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def test_a_directory(tmp_path: Path) -> None:
    loaded = load([str(write(tmp_path, {**FILES, "README.md": "# hello"}))])
    assert shape(loaded) == EXPECTED
    assert loaded.gaps == ()
    assert loaded.ignored == 1


def test_a_capture_below_other_folders(tmp_path: Path) -> None:
    write(tmp_path, {f"a/b/{name}": text for name, text in FILES.items()})
    assert [source.scope for source in load([str(tmp_path)]).sources] == [Scope("n1"), Scope("n1", "default_web")]


def test_the_folder_of_a_node(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert shape(load([str(tmp_path / "nodes" / "n1")]))[0] == ("ip_route", "ip-route", "n1")
    inner = load([str(tmp_path / "nodes/n1/netns/default_web")])
    assert shape(inner) == [("ip_addr", "ip-addr", "n1/default_web")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("c.tar", tar_bytes(FILES)),
        ("c.tar.gz", tar_bytes(FILES, "w:gz")),
        ("c.tgz", gzip.compress(tar_bytes(FILES))),
        ("c.tar.xz", lzma.compress(tar_bytes(FILES))),
        ("c.tar.bz2", bz2.compress(tar_bytes(FILES))),
        ("c.zip", zip_bytes(FILES)),
        ("no-ending", tar_bytes(FILES, "w:xz")),
        ("twice.gz", gzip.compress(gzip.compress(tar_bytes(FILES)))),
    ],
)
def test_archives(tmp_path: Path, name: str, data: bytes) -> None:
    write(tmp_path, {name: data})
    loaded = load([str(tmp_path / name)])
    assert [(kind, scope) for _, kind, scope in shape(loaded)] == [(kind, scope) for _, kind, scope in EXPECTED]
    assert loaded.gaps == ()


def test_standard_input() -> None:
    loaded = load(["-"], io.BytesIO(tar_bytes(FILES, "w:gz")))
    assert [(kind, scope) for _, kind, scope in shape(loaded)] == [(kind, scope) for _, kind, scope in EXPECTED]
    assert shape(load(["-"], io.BytesIO(LINK.encode()))) == [("<stdin>", "ip-addr", "node")]


def test_a_compressed_file_in_a_capture(tmp_path: Path) -> None:
    write(tmp_path, {"nodes/n1/ip_route.gz": gzip.compress(ROUTE.encode())})
    assert shape(load([str(tmp_path)])) == [("nodes/n1/ip_route", "ip-route", "n1")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, {"nodes/n1/ip_route": ROUTE.replace("\n", "\r\n").encode(encoding)})
    assert load([str(tmp_path)]).sources[0].text == ROUTE


def test_bytes_that_are_not_utf8_are_a_gap_at_their_line(tmp_path: Path) -> None:
    write(tmp_path, {"nodes/n1/ip_route": ROUTE.encode() + b"\xff\xfe\n"})
    loaded = load([str(tmp_path)])
    assert len(loaded.sources) == 1
    assert [gap.at.line for gap in loaded.gaps] == [3]


def test_a_binary_file_is_a_gap(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "nodes/n1/iptables-save": b"\0\1\2"})
    loaded = load([str(tmp_path)])
    assert shape(loaded) == EXPECTED
    assert [(gap.at.path, gap.subject) for gap in loaded.gaps] == [("nodes/n1/iptables-save", "iptables-save")]


def test_files_beyond_the_most_are_one_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {f"nodes/n{number}/ip_route": ROUTE for number in range(9)})
    monkeypatch.setattr(loading, "Budget", lambda: limits.Budget(members=3))
    loaded = load([str(tmp_path)])
    assert [source.path for source in loaded.sources] == [f"nodes/n{number}/ip_route" for number in range(3)]
    (gap,) = loaded.gaps
    assert (gap.at.path, gap.reason[:37]) == ("nodes/n3/ip_route", "not read, nor what follows: the input")


def test_bytes_beyond_the_most_are_one_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {f"nodes/n{number}/ip_route": ROUTE for number in range(9)})
    monkeypatch.setattr(loading, "Budget", lambda: limits.Budget(bytes=len(ROUTE) * 4))
    loaded = load([str(tmp_path)])
    assert (len(loaded.sources), [gap.at.path for gap in loaded.gaps]) == (4, ["nodes/n4/ip_route"])


@pytest.mark.parametrize("change", [b"more\n", None])
def test_a_file_that_is_written_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: bytes | None) -> None:
    path = write(tmp_path, FILES) / "nodes/n1/ip_route"
    real, done = os.read, list[int]()

    def read(descriptor: int, size: int) -> bytes:
        """Reads, and changes the first file meanwhile."""
        data = real(descriptor, size)
        if not done:
            path.write_bytes(ROUTE.encode() + change) if change else os.truncate(path, 10)
        done.append(size)
        return data

    monkeypatch.setattr(os, "read", read)
    loaded = load([str(tmp_path)])
    assert shape(loaded) == EXPECTED[1:]
    assert [(gap.at.path, gap.reason[:30]) for gap in loaded.gaps] == [("nodes/n1/ip_route", "not read: it was written to wh")]


def test_a_file_that_is_gone_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, FILES)
    real = os.open

    def opening(path: str, flags: int, mode: int = 0o777) -> int:
        """Opens what is still there."""
        if path.endswith("ip_route"):
            os.unlink(path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", opening)
    loaded = load([str(tmp_path)])
    assert shape(loaded) == EXPECTED[1:]
    assert [(gap.at.path, gap.reason) for gap in loaded.gaps] == [
        ("nodes/n1/ip_route", "cannot be read: No such file or directory")
    ]


def test_what_a_kernel_makes_up_is_read_to_its_end() -> None:
    assert files.content("/proc/self/status", limits.Budget()).startswith(b"Name:")
    assert files.content("/proc/self/status", limits.Budget()).endswith(b"\n")


def test_links_pipes_and_unreadable_places(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret": ROUTE})
    root = write(tmp_path / "dump", FILES)
    (root / "nodes/n1/ip_rule").symlink_to(outside / "secret")
    (root / "nodes/n2").symlink_to(outside)
    (root / "nodes/n1/loop").symlink_to(root / "nodes")
    os.mkfifo(root / "nodes/n1/conntrack")
    loaded = load([str(root)])
    assert shape(loaded) == EXPECTED
    assert {gap.at.path for gap in loaded.gaps} == {"nodes/n1/ip_rule", "nodes/n2", "nodes/n1/conntrack"}


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with (tmp_path / "nodes/n1/conntrack").open("wb") as file:
        file.truncate(2 << 30)
    loaded = load([str(tmp_path)])
    assert shape(loaded) == EXPECTED
    assert "2,048 MiB is more than" in loaded.gaps[0].reason


def test_a_missing_path_is_a_gap() -> None:
    assert "No such file" in load(["/nowhere/at-all"]).gaps[0].reason


@pytest.mark.parametrize("name", ["../../etc/ip_route", "/nodes/n2/ip_route", "nodes/../../x/ip_route"])
@pytest.mark.parametrize("make", [tar_bytes, zip_bytes])
def test_names_that_lead_out_of_an_archive(tmp_path: Path, name: str, make: object) -> None:
    data = make({**FILES, name: ROUTE})  # type: ignore[operator]
    write(tmp_path, {"c": data})
    loaded = load([str(tmp_path / "c")])
    assert [kind for _, kind, _ in shape(loaded)] == ["ip-route", "ip-addr"]
    assert [gap.reason for gap in loaded.gaps] == ["not read: the name leads out of the archive"]


def test_links_and_devices_in_an_archive(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, target in (
            ("nodes/n1/a", tarfile.SYMTYPE, "/etc/passwd"),
            ("nodes/n1/b", tarfile.SYMTYPE, "../../../x"),
            ("nodes/n1/c", tarfile.SYMTYPE, "ip_route"),
            ("nodes/n1/d", tarfile.CHRTYPE, ""),
            ("nodes/n1/e", tarfile.LNKTYPE, "../x"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    write(tmp_path, {"c.tar": out.getvalue()})
    assert [gap.at.path for gap in load([str(tmp_path / "c.tar")]).gaps] == [f"nodes/n1/{name}" for name in "abde"]


def test_bombs(tmp_path: Path) -> None:
    zeros = b"\n" * (limits.RATIO_FREE_BYTES + (8 << 20))
    write(tmp_path, {"a.gz": gzip.compress(zeros), "b.xz": lzma.compress(zeros), "c.zip": zip_bytes({"x": zeros.decode()})})
    for name in ("a.gz", "b.xz", "c.zip"):
        loaded = load([str(tmp_path / name)])
        assert loaded.sources == ()
        assert "archive bomb" in loaded.gaps[0].reason
    nested = ROUTE.encode()
    for _ in range(6):
        nested = gzip.compress(nested)
    write(tmp_path, {"d.gz": nested})
    assert "archives inside one another" in load([str(tmp_path / "d.gz")]).gaps[0].reason


@pytest.mark.parametrize("data", [tar_bytes(FILES, "w:gz"), tar_bytes(FILES), lzma.compress(tar_bytes(FILES)), zip_bytes(FILES)])
def test_damaged_archives_never_raise(data: bytes) -> None:
    for offset in range(1, len(data), max(1, len(data) // 60)):
        load(["-"], io.BytesIO(data[:offset]))
        load(["-"], io.BytesIO(data[:offset] + b"\xff\x00" + data[offset + 2 :]))


def test_depth_is_limited(tmp_path: Path) -> None:
    write(tmp_path, {"/".join(["d"] * 60) + "/ip_route": ROUTE})
    assert "folders deep" in load([str(tmp_path)]).gaps[0].reason


def test_two_captures_of_one_node(tmp_path: Path) -> None:
    write(tmp_path, {f"a/{name}": text for name, text in FILES.items()})
    write(tmp_path, {f"b/{name}": text for name, text in FILES.items()})
    loaded = load([str(tmp_path)])
    assert [path for path, _, _ in shape(loaded)] == [f"a/{name}" for name in FILES]
    assert [gap.at.path for gap in loaded.gaps] == [f"b/{name}" for name in FILES]
    assert "a/nodes/n1/ip_route" in loaded.gaps[0].reason


def test_the_order_does_not_depend_on_the_paths_given(tmp_path: Path) -> None:
    write(tmp_path, {"a/nodes/n1/ip_route": ROUTE, "b/nodes/n2/ip_route": ROUTE})
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert load(paths) == load(paths[::-1])


def test_unknown_files_are_gaps_only_in_a_capture(tmp_path: Path) -> None:
    loaded = load([str(write(tmp_path, {"nodes/n1/strange": "?? ??\n", "other/strange": "?? ??\n"}))])
    assert [gap.at.path for gap in loaded.gaps] == ["nodes/n1/strange"]
    assert loaded.ignored == 1


def test_what_a_failed_command_said_is_a_gap_of_reading(tmp_path: Path) -> None:
    loaded = load([str(write(tmp_path, {"nodes/n1/conntrack.error": "conntrack is not installed\n"}))])
    assert loaded.gaps == ()
    _, gaps = facts(loaded.sources)
    assert [(gap.reason, gap.subject) for gap in gaps] == [("could not be captured: conntrack is not installed", "conntrack")]


PASTED = f"""My pod cannot be reached:
[root@worker-1 ~]# ip netns exec cni-7 ip -d link
{LINK}root@worker-2:~# sudo ip r | head
{ROUTE}$ cat /etc/resolv.conf
nameserver 10.96.0.10
# a comment
"""


def test_a_pasted_session(tmp_path: Path) -> None:
    loaded = load([str(write(tmp_path, {"pasted.txt": PASTED}) / "pasted.txt")])
    assert [(source.kind, str(source.scope)) for source in loaded.sources] == [
        ("ip-addr", "worker-1/cni-7"),
        ("ip-route", "worker-2"),
        ("resolv-conf", "node"),
        ("pasted", "None"),
    ]
    known, _ = facts(loaded.sources)
    assert [fact.at.line for fact in known][1:3] == [6, 7]


def test_headers_of_files(tmp_path: Path) -> None:
    text = "".join(f"-- {name} --\n{content}" for name, content in FILES.items())
    loaded = load([str(write(tmp_path, {"case.txt": text}) / "case.txt")])
    assert [(source.kind, str(source.scope)) for source in loaded.sources[:2]] == [
        ("ip-route", "n1"),
        ("ip-addr", "n1/default_web"),
    ]


def test_the_command_on_the_first_line_and_in_markdown(tmp_path: Path) -> None:
    write(
        tmp_path, {"g/n1_ip-x.log": f"ip -d route show table all\n{ROUTE}", "cmd/ip--4-r.md": f"# ip -4 r\n\n```\n{ROUTE}```\n"}
    )
    for name in ("g/n1_ip-x.log", "cmd/ip--4-r.md"):
        loaded = load([str(tmp_path / name)])
        known, gaps = facts(loaded.sources)
        assert len(known) == 2, name
        assert gaps == ()


def test_peer_layouts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "sosreport-n7-2026-01-02-abcdefg/sos_commands/networking/ip_route_show_table_all": ROUTE,
            "sosreport-n7-2026-01-02-abcdefg/sos_commands/networking/namespaces/x/ip_netns_exec_x_ip_route_show_table_all": ROUTE,
            "sosreport-n6-2020-01-02-abcdefg/sos_commands/networking/ip_netns_exec_qrouter-9_ip_route_show_table_all": ROUTE,
            "diags/nodes/n8/ip-route.txt": ROUTE,
            "rancher-n9/networking/iproute": ROUTE,
            "mine/n10/network/ip_route": ROUTE,
            "n11/Firewall/nft/ip_route": ROUTE,
        },
    )
    scopes = {source.path.split("/")[0]: str(source.scope) for source in load([str(tmp_path)]).sources}
    assert scopes == {
        "diags": "n8",
        "rancher-n9": "rancher-n9",
        "mine": "n10",
        "n11": "n11",
        "sosreport-n7-2026-01-02-abcdefg": "n7/x",
        "sosreport-n6-2020-01-02-abcdefg": "n6/qrouter-9",
    }


@pytest.mark.parametrize("text", ["sos_commands/networking/ip_netns_exec_a_b_iptables-save", "ip_netns_exec_a_b_ip_-d_address"])
def test_the_namespace_in_a_file_name(text: str) -> None:
    assert position(text, named=False).scope.namespace == "a_b"


PACKED = {b"\x28\xb5\x2f\xfd": "zstd -d", b"\x04\x22\x4d\x18": "lz4 -d", b"7z\xbc\xaf\x27\x1c": "7z x", b"\x1f\x9d": "uncompress"}


@pytest.mark.parametrize("magic", PACKED)
def test_what_is_not_unpacked_says_what_to_do(tmp_path: Path, magic: bytes) -> None:
    loaded = load([str(write(tmp_path, {"dump.tar.x": magic + bytes(300), **FILES}))])
    assert [f"({PACKED[magic]} dump.tar.x)" in gap.reason for gap in loaded.gaps] == [True]
    assert shape(loaded) == EXPECTED


JSON_SAMPLES = sorted((Path(__file__).parent.parent / "samples" / "parsers").glob("*/*.json"))


@pytest.mark.parametrize("path", JSON_SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_json_is_recognised_by_its_content(path: Path, tmp_path: Path) -> None:
    loaded = load([str(write(tmp_path, {"given": path.read_text()}) / "given")])
    assert [source.kind for source in loaded.sources] == [path.parent.name]


def test_what_a_runtime_keeps_of_an_attachment_is_no_configuration() -> None:
    text = '{"kind": "cniCacheV1", "containerId": "x", "config": "e30=", "result": {"cniVersion": "0.3.1"}}'
    assert by_content(text) is None


def test_a_manifest_is_one_source_whatever_its_comments_look_like(tmp_path: Path) -> None:
    text = "---\n# kubectl apply -f web.yaml\nkind: Service\napiVersion: v1\nmetadata:\n  name: web\n"
    write(tmp_path, {"web.yaml": text})
    assert shape(load([str(tmp_path)])) == [("web.yaml", "kubernetes", "")]
