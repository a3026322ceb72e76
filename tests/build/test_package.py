"""`hwgen package`, `hwgen inspect`: from the folder that generate or a build left to one file, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.build import bitfile, vivado, vivado_run
from hwgen.build.package import package, summary
from hwgen.errors import InputError, ToolError
from hwgen.graph import qonnx_in
from hwgen.policies.shipped import save_part
from hwgen.runtime.errors import PackageError
from hwgen.runtime.package import read_package
from tests.build.support import MODEL, engine_design, finn_design, hls4ml_design, needs_tclsh, tool
from tests.test_cli import command, invoke

AMD = bytes.fromhex("00090ff00ff00ff00ff0000001")
HWH = "<?xml version='1.0'?><EDKSYSTEM/>"


def amd_bit(part="xczu7ev-ffvc1156-2-e", version="2023.1"):
    fields = (f"hwgen_top;UserID=0XFFFFFFFF;Version={version}", part, "2026/11/22", "12:00:00")
    body = b"".join(
        key + (len(text) + 1).to_bytes(2, "big") + text.encode() + b"\0"
        for key, text in zip((b"a", b"b", b"c", b"d"), fields, strict=True)
    )
    return AMD + body + b"e" + (4).to_bytes(4, "big") + b"\xaa\x99\x55\x66"


def replace(file, old, new):
    file.write_text(file.read_text().replace(old, new))


def ecp5_bit(part="LFE5U-85F-6CABGA381"):
    return b"\xff\x00Part: " + part.encode() + b"\0\xff\xff\xbd\xb3" + bytes(32)


@pytest.fixture
def design(tmp_path):
    return engine_design(tmp_path / "design")


@pytest.fixture
def said():
    return []


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    file = save_part("demo:head", folder)
    graph, board = qonnx_in.load(file), boards.load("zcu104")
    generate.write(generate.choose(graph, board, (16, 32)), board, folder / "design", file)
    return folder / "design"


def test_an_accelerator_alone(design, tmp_path, said):
    made = package(design, tmp_path / "p.hwpkg", say=said.append)
    base = read_package(design / generate.PACKAGE)
    assert made.policy is None and made.bitstream is None and made.image == base.image
    assert made.manifest == base.manifest
    assert "accelerator alone" in said[1] and "no bitstream is in" in said[0] and len(said) == 2
    again = package(design, tmp_path / "q.hwpkg").path
    assert again.read_bytes() == made.path.read_bytes() == (design / generate.PACKAGE).read_bytes()
    told = summary(made, 1_500_000)
    assert "accelerator alone, 8x8 engine on zcu104, design " in told and told.endswith("no bitstream, 1,500 kB")


def test_a_design_of_hls4ml(tmp_path):
    assert package(hls4ml_design(tmp_path / "d"), tmp_path / "p.hwpkg").policy is None


def test_the_graph_says_which_policy_it_is_a_part_of(demo, tmp_path, said):
    made = package(demo, tmp_path / "p.hwpkg", say=said.append)
    assert made.policy.name == "demo" and set(made.policy_selftest) == {"image", "state", "instruction", "action"}
    assert made.policy.before is not None and not any("alone" in line for line in said)
    assert package(demo, tmp_path / "q.hwpkg").path.read_bytes() == made.path.read_bytes()
    assert package(demo, tmp_path / "r.hwpkg", policy="demo").path.read_bytes() == made.path.read_bytes()
    assert package(demo, tmp_path / "r.hwpkg", rate_hz=12.5).policy.rate_hz == 12.5
    assert package(demo, tmp_path / "r.hwpkg", policy="none").policy is None
    with pytest.raises(InputError):
        package(demo, tmp_path / "r.hwpkg", policy="demo-nonorm")


def test_the_host_parts_make_the_policys_actions(demo, tmp_path):
    """Observation -> before -> golden accelerator -> action, with the package alone, equals the golden actions."""
    from hwgen.graph import golden
    from hwgen.runtime.package_vectors import unpack_texts
    from hwgen.runtime.text import TextEncoder

    made = package(demo, tmp_path / "p.hwpkg")
    policy, rows = made.policy, made.policy_selftest
    specs = {o.kind: o for o in policy.observation}
    words = specs["text"].words
    encoder = TextEncoder(words.weights, words.size, words.floor)

    def ints(real, o):
        real = np.asarray(real, np.float32) / np.float32(o.tensor.scale.item())
        return np.clip(np.round(real), o.tensor.lo, o.tensor.hi).astype(np.int64)

    graph = qonnx_in.load(demo / "graph.onnx")
    for i, text in enumerate(unpack_texts(rows["instruction"])):
        state = (rows["state"][i] - specs["vector"].mean) / specs["vector"].std
        tensors = {
            specs["image"].to: rows["image"][i].transpose(specs["image"].axes),
            specs["vector"].to: ints(state, specs["vector"]),
            specs["text"].to: ints(encoder(text), specs["text"]),
        }
        made_here = golden.run(graph, {k: v[None] for k, v in policy.before.run(tensors).items()})[policy.action.source]
        a = policy.action
        real = made_here[0].astype(np.float32) * a.tensor.scale.astype(np.float32)
        real = real.reshape(a.shape) * a.std + a.mean
        if a.low is not None:
            real = np.clip(real, a.low, a.high)
        np.testing.assert_array_equal(real.astype(np.float32), rows["action"][i])


@pytest.mark.parametrize(
    "options,told",
    [
        ({"rate_hz": 10.0}, "--rate-hz is the rate of a policy's control loop: give --policy"),
        ({"rate_hz": -1.0}, "--rate-hz must be positive"),
        ({"rate_hz": float("nan")}, "--rate-hz must be positive"),
        ({"policy": "dmeo"}, "no policy 'dmeo'|dmeo"),
    ],
)
def test_bad_requests_are_told(design, tmp_path, options, told):
    with pytest.raises(InputError, match=told):
        package(design, tmp_path / "p.hwpkg", **options)
    assert not (tmp_path / "p.hwpkg").exists()


def test_folders_that_are_none_are_told(design, tmp_path):
    with pytest.raises(InputError, match="nothing is no folder: give one that `hwgen generate`"):
        package(tmp_path / "nothing", tmp_path / "p.hwpkg")
    with pytest.raises(ToolError, match="manifest.json is missing: give a folder that `hwgen generate` wrote"):
        package(tmp_path, tmp_path / "p.hwpkg")
    finn = finn_design(tmp_path / "finn")
    (finn / "manifest.json").write_text(json.dumps({"backend": "finn"}))
    with pytest.raises(InputError, match="is a FINN design, which runs with FINN's own driver"):
        package(finn, tmp_path / "p.hwpkg")
    manifest = json.loads((design / "manifest.json").read_text())
    (design / "manifest.json").write_text(json.dumps(manifest | {"design_hash": "0" * 16}))
    with pytest.raises(InputError, match="are of different designs: generate the design again"):
        package(design, tmp_path / "p.hwpkg")
    (design / generate.PACKAGE).write_bytes(b"PK")
    (design / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PackageError, match="not a whole package"):
        package(design, tmp_path / "p.hwpkg")


@pytest.fixture
def built(design, tmp_path, monkeypatch):
    """A design that the model of Vivado has built."""
    vivado.write_vivado(design, boards.load("zcu104"), "engine")
    tool(tmp_path / "bin", "vivado", f'exec tclsh {MODEL} "$6" "$8"', monkeypatch)
    vivado_run.run(design)
    for file in (design / "vivado" / "result").glob("*.hwh"):
        file.write_text(HWH)
    return design


@needs_tclsh
def test_the_folders_own_bitstream(built, tmp_path):
    made = package(built, tmp_path / "p.hwpkg")
    bit = next((built / "vivado" / "result").glob("*.bit"))
    assert made.bitstream == bit.read_bytes() and made.hwh == HWH.encode()
    entry = made.manifest["bitstream"]
    assert (
        entry["kind"] == "pynq"
        and entry["tool"].startswith("Vivado 20")
        and entry["clock_mhz"] == pytest.approx(250, rel=1e-4)
    )
    assert package(built, tmp_path / "q.hwpkg", no_bitstream=True).bitstream is None
    with_it = package(built, tmp_path / "r.hwpkg", bitstream=made.path)
    assert with_it.path.read_bytes() == made.path.read_bytes()


@needs_tclsh
@pytest.mark.parametrize(
    "spoil,told",
    [
        (lambda r: replace(r / "summary.txt", "design_hash=", "design_hash=0"), "is of another design"),
        (lambda r: next(r.glob("*.hwh")).unlink(), "hwh is missing or empty"),
        (lambda r: next(r.glob("*.bit")).write_bytes(b""), "bit is missing or empty"),
    ],
    ids=["other design", "no hwh", "empty bit"],
)  # fmt: skip
def test_a_spoilt_build_is_told(built, tmp_path, spoil, told):
    spoil(built / "vivado" / "result")
    with pytest.raises(ToolError, match=told):
        package(built, tmp_path / "p.hwpkg")
    assert package(built, tmp_path / "p.hwpkg", no_bitstream=True).bitstream is None


def test_the_open_tools_bitstream(tmp_path):
    folder = engine_design(tmp_path / "design", "ulx3s")
    report, name = json.loads((folder / "report.json").read_text()), vivado.design_name(vivado.read_manifest(folder))
    (folder / "ecp5").mkdir()
    (folder / "ecp5" / f"{name}.bit").write_bytes(ecp5_bit())
    with pytest.raises(ToolError, match="does not tell its clock under ecp5.clock_mhz"):
        package(folder, tmp_path / "p.hwpkg")
    for code, error in (("0" * 16, True), (report["design_hash"], False)):
        ecp5 = {"design_hash": code, "clock_mhz": 80.0, "tool": "nextpnr-ecp5 0.11"}
        (folder / "report.json").write_text(json.dumps(report | {"ecp5": ecp5}))
        if error:
            with pytest.raises(InputError, match="is of design 0000000000000000, the package of"):
                package(folder, tmp_path / "p.hwpkg")
    made = package(folder, tmp_path / "p.hwpkg")
    assert made.bitstream == ecp5_bit() and made.hwh is None
    assert made.manifest["bitstream"] == {"kind": "ecp5", "tool": "nextpnr-ecp5 0.11", "clock_mhz": 80.0}


def test_a_bitstream_given_by_hand(design, tmp_path, said):
    bit = tmp_path / "mine.bit"
    bit.write_bytes(amd_bit())
    with pytest.raises(InputError, match="mine.hwh does not exist .PYNQ loads a .bit with the .hwh"):
        package(design, tmp_path / "p.hwpkg", bitstream=bit)
    bit.with_suffix(".hwh").write_text(HWH)
    made = package(design, tmp_path / "p.hwpkg", bitstream=bit, say=said.append)
    assert made.bitstream == bit.read_bytes() and made.manifest["bitstream"]["tool"] == "Vivado 2023.1"
    assert "does not say which design it is of" in said[0]
    (tmp_path / "summary.txt").write_text("version=2023.1\ndesign_hash=0000000000000000\n")
    with pytest.raises(InputError, match="mine.bit is of design 0000000000000000, the package of"):
        package(design, tmp_path / "p.hwpkg", bitstream=bit)


@pytest.mark.parametrize(
    "data,board,told",
    [
        (
            amd_bit("xck26-sfvc784-2LV-c"),
            "zcu104",
            "is a bitstream for the part xck26-sfvc784-2LV-c; zcu104 has xczu7ev",
        ),
        (b"", "zcu104", "is no bitstream that Vivado writes"),
        (AMD + b"b", "zcu104", "is no bitstream that Vivado writes"),
        (ecp5_bit(), "zcu104", "is no bitstream that Vivado writes"),
        (amd_bit(), "ulx3s", "is no bitstream of an ECP5"),
        (ecp5_bit("LFE5U-25F-6CABGA381"), "ulx3s", "for the part LFE5U-25F-6CABGA381; ulx3s has LFE5U-85F"),
    ],
    ids=range(6),
)
def test_a_bitstream_for_something_else_is_told(tmp_path, data, board, told):
    with pytest.raises(InputError, match=told):
        bitfile.check(tmp_path / "x.bit", data, boards.load(board))


@pytest.mark.parametrize("board", [name for name in boards.names() if name != "ulx3s"])
def test_every_boards_own_part_is_taken(tmp_path, board):
    part = boards.load(board).part
    for spelt in (part, part.replace("-", "", 1)):
        assert bitfile.check(tmp_path / "x.bit", amd_bit(spelt), boards.load(board)).tool == "Vivado 2023.1"


def test_a_package_without_a_bitstream_gives_none(design, tmp_path):
    other = shutil.copy(design / generate.PACKAGE, tmp_path / "old.hwpkg")
    with pytest.raises(InputError, match="old.hwpkg holds no bitstream: give the .bit itself"):
        package(design, tmp_path / "p.hwpkg", bitstream=tmp_path / other)


def test_the_commands(demo, tmp_path):
    out = tmp_path / "p.hwpkg"
    done = invoke("package", str(demo), "-o", str(out), "--rate-hz", "20")
    assert done.exit_code == 0 and "policy demo (image, state, instruction -> 8 x 3 at 20 Hz), 16x32" in done.stdout
    assert "note: no bitstream is in" in done.stderr
    shown = invoke("inspect", str(out)).stdout
    for word in ("the policy demo, whole", "zcu104", "16x32 array", "vector", "action_q", "golden vectors", "host.npz"):
        assert word in shown
    facts = json.loads(invoke("inspect", str(out), "--json").stdout)
    assert facts["policy"]["rate_hz"] == 20 and facts["array"] == [16, 32] and len(facts["members"]) == 5


def test_two_packages_go_together_or_not(demo, design, tmp_path):
    one, other = demo / generate.PACKAGE, design / generate.PACKAGE
    same = invoke("inspect", str(one), str(one))
    assert same.exit_code == 0 and "runs on the bitstream of" in same.stdout
    differ = invoke("inspect", str(one), str(other))
    assert differ.exit_code == 1 and "does not run on the bitstream of" in differ.stdout
    assert "n is 16 there, 8 here" in differ.stdout
    assert (
        "n is 16 there, 8 here" in json.loads(invoke("inspect", str(one), str(other), "--json").stdout)["differences"]
    )


def test_a_spoilt_package_is_one_line_and_exit_2(design, tmp_path):
    file = tmp_path / "p.hwpkg"
    data = bytearray((design / generate.PACKAGE).read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    done = command("inspect", str(file))
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count("\n") == 1 and done.stderr.startswith(f"hwgen: {file}: ")
