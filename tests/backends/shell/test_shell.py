"""Descriptions, plans and what is written: shapes and places follow from the core, bad cores are named."""

import dataclasses
import json

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends import shell
from hwgen.backends.shell import CoreDescription, CorePort
from hwgen.errors import InputError
from hwgen.graph.builder import GraphBuilder
from hwgen.runtime import abi
from tests.rtl.shell import cores
from tests.support import cases

ZCU104 = boards.load("zcu104")


def port(**changes) -> CorePort:
    values = {"tensor": "a", "port": "x", "bits": 8, "signed": True, "shape": (2, 6), "axes": (0, 1), "elements": 6}
    return CorePort(**(values | changes))


def core(**changes) -> CoreDescription:
    values = {"top": "myproject", "io": "stream", "inputs": (port(),), "outputs": (port(tensor="b", port="y"),)}
    return CoreDescription(**(values | {"latency": 4} | changes))


def test_tensors_do_not_overlap_and_fill_whole_beats(rng):
    for _ in range(cases(50, 1000)):
        io = ("parallel", "stream")[rng.integers(2)]
        plan = shell.plan(cores.random_core(rng, io, int(rng.integers(1, 5)), int(rng.integers(1, 5))))
        for placed, size in ((plan.inputs, plan.in_bytes), (plan.outputs, plan.out_bytes)):
            used = np.zeros(size, int)
            for p in placed:
                assert p.offset % 64 == 0 and p.nbytes == p.count * (1 if p.bits <= 8 else 4)
                used[p.offset : p.offset + p.nbytes] += 1
                assert p.offset + 16 * p.ddr_beats <= size
            assert used.max() == 1 and size % 16 == 0


def test_all_streams_but_the_largest_are_kept(rng):
    for _ in range(cases(50, 1000)):
        plan = shell.plan(cores.random_core(rng, "stream", 3, 3))
        assert [p.buffered for p in plan.reads] == [True, True, False]
        assert [p.buffered for p in plan.writes] == [False, True, True]
        assert plan.reads[-1].ddr_beats == max(p.ddr_beats for p in plan.inputs)
    assert not any(p.buffered for p in shell.plan(cores.random_core(rng, "parallel", 3, 3)).inputs)


@pytest.mark.parametrize("bits, lane", [(1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (22, 32), (32, 32)])
def test_lanes_of_a_stream_are_those_of_vitis(bits, lane):
    (out,) = shell.plan(core(outputs=(port(tensor="b", port="y", bits=bits),))).outputs
    assert out.lane == lane and out.beat_bits == 6 * lane


def test_the_demos_head():
    plan = shell.plan(cores.one_beat("parallel", 1059, 24, 19, latency=100))
    assert (plan.in_bytes, plan.out_bytes) == (1072, 96)
    assert plan.predicted_cycles == 2 + 40 + 67 + 100 + 6 + 4 + 2


def test_a_description_survives_the_manifest(rng):
    for io in ("parallel", "stream"):
        made = cores.random_core(rng, io, 2, 3)
        assert CoreDescription.from_dict(json.loads(json.dumps(made.as_dict()))) == made


@pytest.mark.parametrize("changes, message", [
    ({"io": "serial"}, "io 'serial' is unknown"),
    ({"top": "module"}, "'module' cannot name"),
    ({"top": "my project"}, "'my project' cannot name"),
    ({"inputs": (port(port="x-y"),)}, "'x-y' cannot name"),
    ({"inputs": (port(port="y"),)}, "have one name"),
    ({"inputs": ()}, "1 to 64 inputs"),
    ({"latency": 0}, "latency of at least 1"),
    ({"inputs": (port(bits=9),)}, "9 bits; an input has 1 to 8"),
    ({"outputs": (port(port="y", bits=33),)}, "33 bits; an output has 1 to 32"),
    ({"outputs": (port(port="y", bits=32, signed=False),)}, "do not fit the driver's int32"),
    ({"inputs": (port(axes=(0, 0)),)}, "no order of the 2 axes"),
    ({"inputs": (port(elements=5),)}, "12 elements are not whole beats of 5"),
    ({"io": "parallel"}, "one beat of all 12 elements, not of 6"),
])  # fmt: skip
def test_bad_cores_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        shell.plan(core(**changes))


@pytest.mark.parametrize("damage", [
    None, [], {}, {"top": "x"}, {"inputs": 5}, {"inputs": [None]}, {"inputs": [{"tensor": "a"}]}, {"latency": "soon"},
])  # fmt: skip
def test_damaged_descriptions_are_named(damage):
    data = core().as_dict() | damage if isinstance(damage, dict) and damage else damage
    if damage == {"top": "x"}:
        data = damage
    with pytest.raises(InputError, match="description of the core is damaged"):
        CoreDescription.from_dict(data)


def test_what_is_written_is_the_same_twice_and_the_hash_knows_the_sources(tmp_path, rng):
    made = cores.random_core(rng, "stream", 2, 2)
    (tmp_path / "firmware" / "weights").mkdir(parents=True)
    weight = tmp_path / "firmware" / "weights" / "w2.h"
    weight.write_text("1, 2, 3")
    (tmp_path / "firmware" / "notes.txt").write_text("not compiled")
    code = shell.write("a", ZCU104, made, tmp_path)
    files = {f.relative_to(tmp_path): f.read_bytes() for f in tmp_path.rglob("*.sv")}
    assert shell.write("a", ZCU104, made, tmp_path) == code
    assert files == {f.relative_to(tmp_path): f.read_bytes() for f in tmp_path.rglob("*.sv")}
    assert f"64'h{code:016X}" in (tmp_path / "rtl" / "hwgen_top.sv").read_text()
    weight.write_text("1, 2, 4")
    codes = {code, shell.write("a", ZCU104, made, tmp_path), shell.write("a", boards.load("kv260"), made, tmp_path)}
    other = dataclasses.replace(made, latency=made.latency + 1)
    assert len(codes | {shell.write("a", ZCU104, other, tmp_path)}) == 4


def test_the_top_is_plain_verilog(tmp_path, rng):
    """Vivado's IP packager takes no SystemVerilog as the top."""
    cores.make(tmp_path, cores.random_core(rng, "stream", 2, 2), rng)
    text = (tmp_path / "rtl" / "hwgen_top.sv").read_text()
    assert "][" not in text and not {"logic", "import", "always_ff", "always_comb"} & set(text.split())


def test_the_image_is_a_header_and_an_end():
    image = shell.image(0x123456789ABCDEF0)
    assert len(image) == 32 and abi.unpack(abi.IMAGE_HEADER, image[:16])["hash"] == 0x123456789ABCDEF0
    assert abi.unpack(abi.SECTION_HEADER, image[16:])["target"] == abi.TARGETS["END"]


def test_ports_of_the_manifest():
    b = GraphBuilder("g")
    x = b.input("x", (3, 4, 5), signed=False, scale=0.5)
    b.output(b.requantize(b.conv(x, np.ones((2, 3, 1, 1), int), 1.0), bits=8, signed=True, scale=4.0), "y")
    graph = b.build()
    ins = CorePort("x", "x", 8, False, (4, 5, 3), (1, 2, 0), 3)
    outs = CorePort("y", "layer3_out", 8, True, (2, 4, 5), (0, 1, 2), 5)
    made = shell.manifest_ports(graph, core(inputs=(ins,), outputs=(outs,)))
    assert made["in_bytes"] == 64 and made["out_bytes"] == 48
    (x_entry,), (y_entry,) = made["inputs"], made["outputs"]
    assert x_entry["axes"] == [1, 2, 0] and x_entry["shape"] == [3, 4, 5] and x_entry["dtype"] == "uint8"
    assert "axes" not in y_entry and (y_entry["offset"], y_entry["layout"]) == (0, "linear")
