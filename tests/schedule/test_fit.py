"""Resource estimates and the refusal of what does not fit."""

import pytest

from hwgen import boards
from hwgen.errors import FitError
from hwgen.policies import zoo
from hwgen.schedule import EngineConfig, fit

ZCU104 = boards.load("zcu104")


def test_two_products_share_a_dsp():
    plain = fit.resources(EngineConfig(16, 16), ZCU104)
    assert plain["dsp"] == 128 + 16 * 2 and plain["source"] == "formula"
    assert fit.resources(EngineConfig(16, 16, residual=True), ZCU104)["dsp"] == 128 + 16 * 3


def test_multipliers_of_other_families():
    """DSP48E1: too narrow for a pair of 8-bit weights, ECP5: for any; the last array leaves its 64 to the norms."""
    z7, ecp5 = boards.load("pynq-z2"), boards.load("ulx3s")
    assert fit.resources(EngineConfig(8, 8, ww=6), z7)["dsp"] == 32 + 8 * 2
    assert fit.resources(EngineConfig(8, 8, ww=8), z7)["dsp"] == 64 + 8 * 2
    assert fit.resources(EngineConfig(8, 8, ww=4, residual=True), ecp5)["dsp"] == 64 + 8 * 4
    assert fit.resources(EngineConfig(8, 16, ww=4, residual=True, row_param_depth=64), z7)["dsp"] == 246 - 64


def test_a_kv_memory_makes_the_array_multiply_eight_bits():
    """Two products of 4-bit weights share a DSP48E1, those of 8 bits do not."""
    z7 = boards.load("pynq-z2")
    assert fit.resources(EngineConfig(8, 8, ww=4), z7)["dsp"] == 32 + 8 * 2
    assert fit.resources(EngineConfig(8, 8, ww=4, kv_depth=16), z7)["dsp"] == 64 + 8 * 2


def test_long_programs_take_block_ram():
    """In 512 words of 72 bits: the array's nine beats; three of DIN and two of DOUT."""
    depths = ((256, 256), (1024, 256), (1024, 1024))
    configs = (EngineConfig(8, 8, prog_depth=mm, unit_prog_depth=others) for mm, others in depths)
    short, long, all_long = (fit.resources(config, ZCU104)["bram36"] for config in configs)
    assert long - short == 2 * 16 and all_long - long == 2 * (6 + 4)


def test_what_was_routed_on_the_ecp5():
    """Within 5 % of nextpnr's count of the demo's head without norms; the memory blocks to the very one."""
    config = EngineConfig(8, 8, ww=4, act_depth=128, weight_depth=6656, param_depth=176, prog_depth=16, residual=True)
    found = fit.resources(config, boards.load("ulx3s"))
    assert found["lut"] == pytest.approx(23001, rel=0.05) and found["ff"] == pytest.approx(13195, rel=0.05)
    assert found["dsp"] == 96 and found["bram36"] == -(-187 // 2)


@pytest.mark.parametrize(
    ("board", "array", "norms", "lut"),
    [
        ("ultra96v2", (16, 16), True, 39_100), ("ultra96v2", (16, 32), False, 46_100),
        ("kv260", (32, 32), True, 82_800), ("zcu104", (32, 64), True, 159_500), ("pynq-z2", (16, 16), True, 55_477),
    ],
)  # fmt: skip
def test_what_yosys_counts_on_amd_boards(board, array, norms, lut):
    """Within 5 % for the demo's heads; on the pynq-z2 the products are in logic cells."""
    config = EngineConfig(*array, ww=4, residual=True, row_param_depth=16 * norms)
    assert fit.resources(config, boards.load(board))["lut"] == pytest.approx(lut, rel=0.05)


def test_short_weights_go_to_logic_cells_where_multipliers_do_not_suffice():
    ecp5 = boards.load("ulx3s")
    norms = {"residual": True, "row_param_depth": 96}
    assert not fit.products(EngineConfig(8, 8, ww=4), ecp5).in_luts
    assert fit.products(EngineConfig(8, 8, ww=4, **norms), ecp5).in_luts
    assert fit.resources(EngineConfig(8, 8, ww=4, **norms), ecp5)["dsp"] <= ecp5.resources.dsp
    with pytest.raises(FitError, match="dsp .* of 156.*fewer weight bits"):
        fit.check(EngineConfig(8, 8, ww=8, **norms), ecp5)


@pytest.mark.parametrize(
    "more", [{"residual": True}, {"slots": 4}, {"row_param_depth": 512}, {"act_depth": 1024}, {"param_depth": 512},
             {"vec_param_depth": 16, "vec_mul": True}, {"vec_param_depth": 512}, {"kv_depth": 64}, {"stream_ports": 2}]
)  # fmt: skip
def test_more_engine_takes_more(more):
    small, large = (fit.resources(EngineConfig(16, 16, **m), ZCU104) for m in ({}, more))
    kinds = ("lut", "ff", "dsp", "bram36", "uram")
    assert all(large[k] >= small[k] for k in kinds) and any(large[k] > small[k] for k in kinds)


def test_deep_weights_go_to_ultraram_where_there_is_some():
    deep = EngineConfig(16, 16, weight_depth=4096)
    assert fit.resources(deep, ZCU104)["uram"] > 0
    assert fit.resources(deep, boards.load("pynq-z2"))["uram"] == 0


def test_what_fits_is_returned_and_what_does_not_is_named():
    config = EngineConfig(16, 64, weight_depth=1024)
    assert fit.check(config, ZCU104) == fit.resources(config, ZCU104)
    with pytest.raises(FitError, match=r"array 16x64 .* does not fit pynq-z2: .*dsp 1,152 of 220.*smaller --array"):
        fit.check(config, boards.load("pynq-z2"))


def test_wide_weights_are_shared_out_among_ultraram_and_block_ram():
    """A 32x64 array of 4 bits: 96 of UltraRAM hold 48 of 64 columns; parameters go to LUTs where block RAM lacks."""
    config = EngineConfig(32, 64, ww=4, act_depth=1792, param_depth=80, residual=True)
    words = fit.weight_words(config, ZCU104)
    assert words == 2560
    full = config.resized(weight_depth=words)
    assert fit.placement(full, ZCU104) == fit.Placement(48, True) and fit.check(full, ZCU104)["uram"] == 96
    with pytest.raises(FitError, match="uram"):
        fit.check(full.resized(weight_depth=words + 1), ZCU104)


def test_activations_go_to_ultraram_where_block_ram_is_short():
    """An image's: a memory for each octet of each of 4 banks, two blocks deep; weights take the other columns."""
    config = EngineConfig(32, 64, act_depth=6144, weight_depth=512)
    assert fit.placement(config, ZCU104) == fit.Placement(16, False, True)
    assert fit.check(config, ZCU104)["uram"] == 4 * 8 * 2 + 16 * 2
    assert not fit.placement(config.resized(act_depth=512), ZCU104).act_ultra
    with pytest.raises(FitError, match="bram36"):
        fit.check(config.resized(act_depth=16384), ZCU104)
    with pytest.raises(FitError, match="bram36"):  # has no UltraRAM
        fit.check(config, boards.load("ultra96v2"))


def test_weights_that_need_ports_are_refused_without():
    graph = zoo.graph("zoo:resnet18-84")
    with pytest.raises(FitError, match="take 11.2 MB .* zcu104 has .* MB on the chip, and no memory port"):
        fit.check_weights(graph, ZCU104)
    fit.check_weights(graph, ZCU104, fit.stream_ports(ZCU104))
    assert [fit.stream_ports(boards.load(name)) for name in ("zcu104", "pynq-z2", "ulx3s")] == [3, 0, 0]


def test_the_smallest_array_is_not_advised_to_shrink():
    ecp5 = boards.load("ulx3s")
    for array, told in (((8, 8), "; take fewer weight bits, or"), ((8, 16), "; take a smaller --array, fewer weight")):
        with pytest.raises(FitError, match=told):
            fit.check(EngineConfig(*array, ww=8, weight_depth=1 << 15), ecp5)


def test_padding_reads_more_of_the_ecp5_s_program():
    plain, padded = (
        fit.resources(EngineConfig(8, 8, padded=padded), boards.load("ulx3s"))["bram36"] for padded in (False, True)
    )
    assert plain < padded <= plain + 3
