"""DIR/rtl and the design hash: a hash names what the bitstream depends on, and nothing else."""

import dataclasses
import re

import pytest

from hwgen import boards
from hwgen.backends.engine import rtl
from hwgen.schedule import EngineConfig, fit

ZCU104 = boards.load("zcu104")
CONFIG = EngineConfig(16, 32)
OTHER = {
    "n": 8, "m": 16, "ww": 4, "banks": 5, "act_depth": 128, "weight_depth": 1024, "param_depth": 32,
    "row_param_depth": 16, "slots": 2, "prog_depth": 32, "unit_prog_depth": 32, "residual": True, "wide": True,
    "softmax_slots": 2, "row_words": 16, "group_words": 2, "padded": True, "kv_depth": 64, "vec_param_depth": 16,
    "vec_mul": True, "vec_maxpool": True, "vec_residual": True, "win_ring": 1024, "win_ports": 2, "stream_ports": 1,
}  # fmt: skip


def test_every_parameter_is_in_the_hash():
    assert set(OTHER) == {field.name for field in dataclasses.fields(EngineConfig)}
    hashes = {rtl.design_hash(CONFIG.resized(**{name: value}), ZCU104) for name, value in OTHER.items()}
    assert len(hashes) == len(OTHER) and rtl.design_hash(CONFIG, ZCU104) not in hashes
    assert rtl.design_hash(EngineConfig(16, 32), ZCU104) == rtl.design_hash(CONFIG, ZCU104)


def test_the_rtl_is_in_the_hash(monkeypatch, tmp_path):
    before = rtl.design_hash(CONFIG, ZCU104)
    changed = tmp_path / "delay.sv"
    changed.write_text("module delay; endmodule\n")
    files = [changed if file.name == "delay.sv" else file for file in rtl.library()]
    monkeypatch.setattr(rtl, "library", lambda: files)
    assert rtl.design_hash(CONFIG, ZCU104) != before


def test_what_is_written(tmp_path):
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "old.sv").write_text("// of an earlier version\n")
    code = rtl.write(CONFIG, ZCU104, "test", tmp_path)
    written = {file.name for file in (tmp_path / "rtl").iterdir()}
    assert written == {file.name for file in rtl.library()} | {"hwgen_top.sv"}
    top = (tmp_path / "rtl" / "hwgen_top.sv").read_text()
    assert f"64'h{code:016X}" in top
    for name, value in rtl.parameters(CONFIG, ZCU104).items():
        assert re.search(rf"\.{name}\s*\({re.escape(value)}\)", top), name
    assert rtl.library()[0].name == "hwgen_pkg.sv"  # packages come first


@pytest.mark.parametrize("board, style", [("zcu104", '"ultra"'), ("pynq-z2", '"auto"')])
def test_deep_weights_ask_for_ultraram_where_there_is_some(board, style):
    deep = CONFIG.resized(weight_depth=fit.ULTRA_WORDS + 1)
    assert rtl.parameters(deep, boards.load(board))["WEIGHT_STYLE"] == style
    assert rtl.parameters(CONFIG, boards.load(board))["WEIGHT_STYLE"] == '"auto"'


def test_the_top_says_what_it_is_of(tmp_path):
    """Every parameter with its meaning, the hash that packages name, and streamed weights only where there are some."""
    for ports in (0, 1, 3):
        code = rtl.write(CONFIG.resized(stream_ports=ports), ZCU104, "test", tmp_path)
        top = (tmp_path / "rtl" / "hwgen_top.sv").read_text()
        head, _, body = top.partition("module hwgen_top")
        assert head.startswith("/// test:") and f"{code:016X}" in head and "zcu104" in head
        assert ("m_axi_1" in head) == (ports > 0) and (f"m_axi_{ports} bring " in head) == (ports > 1)
        for name in [*rtl.parameters(CONFIG, ZCU104), "HASH"]:
            assert re.search(rf"\.{name}\(\S+\),? +// \w.*", body), name
