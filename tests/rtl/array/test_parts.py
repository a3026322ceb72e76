"""Every template of the array side on its own: values by a few lines of Python, every clock as its header states."""

import pytest

from tests.rtl.array.support import ARRAY, MEMORIES, UNIT, run_bench

pytestmark = pytest.mark.rtl
full = pytest.mark.full


def test_small_parts(tmp_path, seed):
    """ram_1r1w, wide_mem, lookup_lane, mac_pair, adder_tree, delay and delay_valid."""
    run_bench(tmp_path, "tb_parts", (*MEMORIES, "lookup_lane", "mac_pair", "adder_tree"), seed)


@pytest.mark.parametrize("d", [8, pytest.param(16, marks=full)])
def test_prog_queue(d, tmp_path, seed):
    run_bench(tmp_path, "prog_queue", (*MEMORIES, "prog_queue"), seed, beats=2, w=150, d=d)


@pytest.mark.parametrize(
    "n, m, v, banks", [(8, 32, 32, 3), (16, 8, 16, 6), pytest.param(64, 8, 64, 2, marks=full)]
)  # fmt: skip
def test_act_mem(n, m, v, banks, tmp_path, seed):
    run_bench(tmp_path, "act_mem", (*MEMORIES, "act_mem"), seed, n=n, m=m, v=v, banks=banks, d=16)


def test_mm_sequencer(tmp_path, seed):
    run_bench(tmp_path, "mm_sequencer", ("need_wait", "mm_sequencer"), seed)


@pytest.mark.parametrize("n, m, ww", [(8, 8, 8), pytest.param(32, 16, 3, marks=full)])
def test_mac_array(n, m, ww, tmp_path, seed):
    run_bench(tmp_path, "mac_array", ARRAY, seed, n=n, m=m, ww=ww)


@pytest.mark.parametrize(
    "m, v, wide, keys_clocks",
    [(8, 32, 1, 2), (16, 16, 0, 0), pytest.param(16, 16, 1, 1, marks=full), pytest.param(8, 16, 0, 4, marks=full)],
)
def test_mm_writeback(m, v, wide, keys_clocks, tmp_path, seed):
    sizes = {"m": m, "v": v, "wide": wide, "keys_clocks": keys_clocks}
    run_bench(tmp_path, "mm_writeback", ("delay_valid", "mm_writeback"), seed, **sizes)


@pytest.mark.parametrize(
    "more",
    [
        {"m": 16, "residual": 1, "slots": 4, "wide": 1, "ww": 4, "kv_depth": 8},
        {"m": 8, "residual": 0, "slots": 0, "wide": 0, "ww": 8, "kv_depth": 0},
        pytest.param({"n": 16, "m": 8, "residual": 0, "slots": 0, "wide": 1, "ww": 8, "kv_depth": 4}, marks=full),
    ],
    ids=["everything", "plain", "keys-in-parts"],
)
def test_mm_unit(more, tmp_path, seed):
    sizes = {"n": 8, "v": 16, "weight_depth": 64, "param_depth": 16, "prog_depth": 8}
    run_bench(tmp_path, "mm_unit", UNIT, seed, **sizes | more)
