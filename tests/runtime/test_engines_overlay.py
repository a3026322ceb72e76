"""Several engines as the blocks of one overlay, through the real pynq."""

import numpy as np
import pytest

from hwgen.runtime import Accelerator, Engines, HashMismatch, NoEngineError, UsageError
from tests.runtime import samples, several

pytestmark = pytest.mark.pynq
pytest.importorskip("pynq")
from hwgen.runtime.sim_device import open_sim  # noqa: E402


@pytest.fixture
def package(tmp_path):
    return several.replicas(tmp_path / "two.hwpkg")


def opened(count, **attributes):
    """The models, their device and the bitstream."""
    models = several.models(count, **attributes)
    return models, *open_sim(models[0], beside=models[1:])


def test_the_driver_runs_on_the_blocks_of_one_overlay(package):
    models, device, bitstream = opened(2)
    with Engines(package, bitstream=bitstream, device=device) as engines:
        told = engines.selftest()
        assert told["vectors"] == 7 and [one["vectors"] for one in told["engines"]] == [3, 3]
        assert all(model.runs > 3 for model in models)  # the whole's vectors were shared out
        x, k = np.arange(20, dtype=np.int8), np.ones((2, 3), np.uint8)
        got = engines.infer({"x": x, "k": k}, raw=True)
        assert np.array_equal(got["y"], samples.golden(x, k.reshape(6))[0])
        bases = [device.ip_dict[name]["phys_addr"] for name in ("hwgen_top_0", "hwgen_top_1")]
        assert bases[1] - bases[0] == 0x10000
        engines.reset(download=True)
        assert all(model.resets == 3 for model in models)  # power-on, the overlay, and this one
        assert np.array_equal(engines.infer({"x": x, "k": k}, raw=True)["y"], got["y"])
    assert not device.pool.live, "every buffer was given back"


def test_a_stage_reads_where_the_one_before_wrote(tmp_path):
    """In pynq's buffers, which are synced to and fro."""
    package, models = several.pipeline(tmp_path / "chain.hwpkg"), several.pipeline_models()
    device, bitstream = open_sim(models[0], beside=models[1:])
    with Engines(package, bitstream=bitstream, device=device) as engines:
        assert engines.selftest()["vectors"] == 7
        assert models[0].regs["OUT_PTR_LO"] == models[1].regs["IN_PTR_LO"]
    assert not device.pool.live


@pytest.mark.parametrize("blocks", [1, 3])
def test_another_number_of_blocks_is_named(package, blocks):
    _, device, bitstream = opened(blocks)
    with pytest.raises(
        NoEngineError, match="its hwgen engines are hwgen_top_0.* is for hwgen_top_0, hwgen_top_1; load"
    ):
        Engines(package, bitstream=bitstream, device=device)
    assert not device.pool.live


def test_a_block_of_another_design_is_named(package):
    models, device, bitstream = opened(2)
    models[1].fixed["HASH_LO"] ^= 1
    with pytest.raises(HashMismatch, match="bitstream at 'hwgen_top_1' is design"):
        Engines(package, bitstream=bitstream, device=device)
    assert not device.pool.live


def test_one_engine_of_several_is_named_by_ip(tmp_path, package):
    """A package of one engine on a bitstream of two."""
    _, device, bitstream = opened(2)
    one = tmp_path / "stage.hwpkg"
    with pytest.raises(NoEngineError, match="2 hwgen engines .* name one with ip=: hwgen_top_0, hwgen_top_1"):
        Accelerator(one, bitstream=bitstream, device=device)
    with Accelerator(one, bitstream=bitstream, device=device, ip="hwgen_top_1") as accelerator:
        accelerator.selftest()


def test_a_bitstream_that_is_not_there_is_named(package, tmp_path):
    with pytest.raises(NoEngineError, match="no such file; give the .bit of these engines"):
        Engines(package, bitstream=tmp_path / "nothing.bit")
    _, device, bitstream = opened(2)
    with pytest.raises(UsageError, match="give overlay= or bitstream=, not both"):
        Engines(package, bitstream=bitstream, overlay=object())
