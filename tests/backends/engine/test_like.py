"""--like: a new policy of the same shapes on the engine of an old one, so that the old bitstream runs it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen import backends, boards
from hwgen.backends.engine import generate
from hwgen.backends.engine.like import engine_of
from hwgen.backends.options import Options
from hwgen.errors import FitError, InputError
from hwgen.graph import GraphBuilder, golden, qonnx_out
from hwgen.runtime.archive import zip_members
from hwgen.runtime.errors import PackageError
from hwgen.runtime.package import LIMITS, MANIFEST, pack, read_package
from hwgen.schedule import compile_graph, compile_onto
from tests.schedule import support
from tests.support import cases

BOARD = "zcu104"
FEATURES = ("norm", "residual", "table", "wide")


def policy(seed, widths=(40, 24, 8), features=FEATURES, bits=4):
    """x [widths[0]] -> two layers of widths[1] -> y [widths[2]], and z (32 bits) with "wide". Numbers and scales are
    drawn; the shapes depend on the widths alone."""
    rng, b = np.random.default_rng(seed), GraphBuilder("policy")

    def scale():
        return float(2.0 ** rng.integers(-6, -2) if rng.integers(2) else rng.uniform(0.01, 0.2))

    def linear(x, n, m):
        high = 1 << (bits - 1)
        return b.linear(x, rng.integers(-high, high, (n, m)), scale(), rng.normal(0, 1, m), weight_bits=bits)

    wide, hidden, out = widths
    x = b.input("x", (wide,), bits=8, signed=True, scale=scale())
    h = b.requantize(linear(x, wide, hidden), bits=8, signed=True, scale=scale(), relu=bool(rng.integers(2)))
    if "norm" in features:
        h = b.layernorm(h, rng.normal(1, 0.2, hidden), rng.normal(0, 0.2, hidden))
        h = b.requantize(h, bits=8, signed=True, scale=scale())
    again = linear(h, hidden, hidden)
    h = b.requantize(again, bits=8, signed=True, scale=scale(), residual=h if "residual" in features else None)
    if "table" in features:
        for _ in range(2):  # of the same scales, and then one table, or not
            h = b.activation(
                h, [np.tanh, np.sin][rng.integers(2)], bits=8, signed=True, scale=2.0 ** -rng.integers(5, 7)
            )
            h = b.requantize(h, bits=8, signed=True, scale=2**-6)
    b.output(b.requantize(linear(h, hidden, out), bits=8, signed=True, scale=scale()), "y")
    if "wide" in features:
        b.output(b.wide(linear(h, hidden, out)), "z")
    return b.build()


def assert_golden(design, seed, frames=2):
    graph, rng = design.graph, np.random.default_rng(seed)
    machine = support.engine(design, seed)
    for _ in range(frames):
        inputs = {"x": rng.integers(-128, 128, graph.tensors["x"].shape)}
        outputs, result = support.run(design, machine, inputs)
        want = golden.run(graph, {"x": inputs["x"][None]})
        for name, value in want.items():
            np.testing.assert_array_equal(outputs[name], value[0], err_msg=name)
        assert result.latency == design.timing.latency


@settings(max_examples=cases(12, 400))
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(1, 90)] * 3),
    st.sets(st.sampled_from(FEATURES)),
    st.sampled_from([(8, 8), (8, 16), (16, 8)]),
)
def test_a_policy_of_the_same_shapes_runs_on_the_old_engine(seed, widths, features, array):
    """Other weights, scales and tables, fewer units, fewer weight bits: the same engine, golden's integers."""
    old = compile_graph(policy(seed, widths), *array)
    new = compile_onto(policy(seed + 1, widths, features, bits=2 + seed % 3), old.config)
    assert new.config == old.config
    assert_golden(new, seed)


@settings(max_examples=cases(8, 200))
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 60)] * 3), st.booleans())
def test_the_engine_does_not_depend_on_the_numbers(seed, widths, equal):
    """Constants that happen to be equal, as those of a policy before its training, share no memory."""
    old, new = policy(seed, widths), policy(seed + 1, widths)
    if equal:
        for node in new.nodes:
            for name in ("weight", "bias", "mult", "shift"):
                values = getattr(node, name, None)
                if isinstance(values, np.ndarray):
                    setattr(node, name, np.full_like(values, 1))
    assert compile_graph(new, 8, 8).config == compile_graph(old, 8, 8).config


def test_rounds_of_a_loop_share_their_weights():
    rng, b = np.random.default_rng(0), GraphBuilder("loop")
    x, weight, bias = b.input("x", (64,), bits=8, signed=True, scale=2**-6), rng.integers(-8, 8, (64, 64)), np.ones(64)
    weight = weight.astype(np.int8)
    for _ in range(20):
        x = b.requantize(b.linear(x, weight, 2**-6, bias, weight_bits=4), bits=8, signed=True, scale=2**-6)
    b.output(x, "y")
    design = compile_graph(b.build(), 8, 8)
    assert len(design.program.weights) == 64 and len(design.program.params) == 8


@pytest.fixture
def old(tmp_path):
    qonnx_out.save(policy(1), tmp_path / "old.onnx")
    return backends.generate(tmp_path / "old.onnx", BOARD, "engine", Options(array=(8, 8)), tmp_path / "old")


def like(tmp_path, graph, where, **options):
    qonnx_out.save(graph, tmp_path / "new.onnx")
    options = {"board": BOARD, **options}
    return backends.generate(
        tmp_path / "new.onnx", options["board"], "engine", Options(like=where, array=options.get("array")),
        tmp_path / "new",
    )  # fmt: skip


@pytest.mark.parametrize("what", ["folder", "package"])
@pytest.mark.parametrize("features", [FEATURES, ("norm",), ()])
def test_the_design_hash_is_the_old_one(old, tmp_path, what, features):
    qonnx_out.save(policy(2, features=features), tmp_path / "alone.onnx")
    alone = backends.generate(tmp_path / "alone.onnx", BOARD, "engine", Options(array=(8, 8)), tmp_path / "alone")
    new = like(tmp_path, policy(2, features=features), old if what == "folder" else old / generate.PACKAGE)
    first, second, own = (read_package(folder / generate.PACKAGE) for folder in (old, new, alone))
    assert first.design_hash == second.design_hash and first.image != second.image
    assert (own.design_hash == first.design_hash) == (features == FEATURES)  # by itself it would be another engine
    for file in sorted((old / "rtl").iterdir()):
        assert (new / "rtl" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    "graph,message",
    [
        (policy(2, bits=8), r"ww = 4, the graph needs 8 \(bits of a weight\)"),
        (policy(2, widths=(400, 300, 8)), r"act_depth = 64, .*|weight_depth = 512, the graph needs"),
    ],
    ids=["bits", "size"],
)
def test_what_is_too_small_is_named(old, tmp_path, graph, message):
    with pytest.raises(FitError, match=f"the engine has .*({message}).*generate an engine for it"):
        like(tmp_path, graph, old)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("feature,name", [("norm", "row_param_depth"), ("residual", "residual"), ("wide", "wide")])
def test_a_unit_that_the_engine_lacks_is_named(tmp_path, feature, name):
    config = compile_graph(policy(1, features=[f for f in FEATURES if f != feature]), 8, 8).config
    with pytest.raises(FitError, match=f"the engine has .*{name} = (0|False), the graph needs (48|16|True)"):
        compile_onto(policy(2), config)


def test_another_board_is_told(old, tmp_path):
    with pytest.raises(InputError, match="is for the board zcu104, not for kv260: give --board zcu104"):
        like(tmp_path, policy(2), old, board="kv260")


def test_array_and_like_exclude_one_another(old, tmp_path):
    with pytest.raises(InputError, match="--array or --like, not both"):
        like(tmp_path, policy(2), old, array=(8, 8))


def test_another_version_of_the_rtl_is_told(old, monkeypatch):
    from hwgen.backends.engine import rtl

    real = rtl.design_hash
    monkeypatch.setattr(rtl, "design_hash", lambda *args: real(*args) ^ 1)
    with pytest.raises(InputError, match="made with another version of hwgen's SystemVerilog: design"):
        engine_of(old, boards.load(BOARD))


@pytest.mark.parametrize("change", [{"n": 12}, {"ww": True}, {"slots": 1 << 30}, {"depth": 3}, {"wide": 1}, None])
def test_a_configuration_that_is_none_is_told(old, tmp_path, change):
    package = read_package(old / generate.PACKAGE)
    engine = {} if change is None else {**package.manifest["engine"], **change}
    manifest = {k: v for k, v in package.manifest.items() if k != "sha256"} | {"engine": engine}
    file = tmp_path / "bad.hwpkg"
    members = zip_members((old / generate.PACKAGE).read_bytes(), LIMITS)
    file.write_bytes(pack(manifest, {k: v for k, v in members.items() if k != MANIFEST}, file))
    with pytest.raises(InputError, match="engine describes no engine that this hwgen makes"):
        engine_of(file, boards.load(BOARD))


def test_what_is_no_package_is_told(tmp_path):
    (tmp_path / "x.hwpkg").write_bytes(b"PK")
    with pytest.raises(PackageError, match="x.hwpkg: not a whole package"):
        engine_of(tmp_path / "x.hwpkg", boards.load(BOARD))
    with pytest.raises(PackageError, match="policy.hwpkg: cannot be read"):
        engine_of(tmp_path, boards.load(BOARD))


def test_the_report_tells_the_old_engine(old, tmp_path):
    new = like(tmp_path, policy(2, features=()), old)
    report = json.loads((new / "report.json").read_text())
    assert report["design_hash"] == json.loads((old / "report.json").read_text())["design_hash"]
    assert report["predicted_cycles"] == read_package(new / generate.PACKAGE).manifest["predicted_cycles"]
