"""The AXI masters, alone."""

import pytest

from tests.rtl.bus.support import run_bench


@pytest.mark.rtl
@pytest.mark.parametrize("module", ["axi_rd", "axi_wr"])
def test_master(tmp_path, seed, module):
    run_bench(tmp_path, module, f"bench_{module}", {"SEED": seed})
