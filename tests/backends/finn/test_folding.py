"""The folding: legal for FINN, within the board, and the best there is."""

import itertools

import pytest

from hwgen import boards
from hwgen.backends.finn.cycles import layer_cycles
from hwgen.backends.finn.folding import apply, estimate, fold
from hwgen.backends.finn.layers import FinnLayer
from hwgen.backends.finn.resources import needed
from hwgen.backends.options import Options
from hwgen.errors import FitError
from tests.support import cases

ZCU104 = boards.load("zcu104")
WORDS = {"inputDataType": "INT8", "weightDataType": "INT8"}


def dense(name: str, mw: int, mh: int, before: str = "in", op: str = "MVAU_rtl", **more) -> FinnLayer:
    attrs = {"MW": mw, "MH": mh, "PE": 1, "SIMD": 1, "noActivation": 1, "outputDataType": "INT24"} | WORDS
    return FinnLayer(name, op, attrs | more, (before,))


def threshold(name: str, channels: int, before: str) -> FinnLayer:
    attrs = {"NumChannels": channels, "PE": 1, "inputDataType": "INT24", "weightDataType": "INT24"}
    return FinnLayer(name, "Thresholding_rtl", attrs | {"outputDataType": "INT8"}, (before,))


def mlp(*sizes: int) -> list[FinnLayer]:
    layers, before = [], "in"
    for i, (mw, mh) in enumerate(itertools.pairwise(sizes)):
        layers += [dense(f"MVAU_rtl_{i}", mw, mh, before), threshold(f"Thresholding_rtl_{i}", mh, f"MVAU_rtl_{i}")]
        before = f"Thresholding_rtl_{i}"
    return layers


def depthwise(channels: int, kernel: int = 3) -> list[FinnLayer]:
    window = {
        "IFMChannels": channels, "IFMDim": [10, 10], "OFMDim": [8, 8], "ConvKernelDim": [kernel, kernel],
        "Stride": [1, 1], "Dilation": [1, 1], "depthwise": 1, "SIMD": 1, "inputDataType": "INT8",
    }  # fmt: skip
    sums = {"Channels": channels, "Kernel": [kernel, kernel], "Dim": [8, 8], "PE": 1, "SIMD": 1, "noActivation": 1}
    return [
        FinnLayer("window", "ConvolutionInputGenerator_rtl", window, ("in",)),
        FinnLayer("sums", "VVAU_hls", sums | WORDS | {"outputDataType": "INT20"}, ("window",)),
    ]


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


@pytest.mark.parametrize("multipliers", cases((5, 24), (1, 2, 3, 5, 8, 13, 24, 64)))
def test_fewest_cycles_of_all_foldings(multipliers):
    layers = [dense("a", 6, 8), dense("b", 8, 4, "a")]
    best = min(
        48 // (p * s) + 32 // (q * t)
        for p, s, q, t in itertools.product(divisors(8), divisors(6), divisors(4), divisors(8))
        if p * s + q * t <= multipliers or multipliers == 1
    )
    if multipliers == 1:
        with pytest.raises(FitError, match="multipliers: at least 2 needed, 1 available"):
            fold(layers, ZCU104, Options(multipliers=1))
    else:
        folded = apply(layers, fold(layers, ZCU104, Options(multipliers=multipliers)))
        assert estimate(folded)["critical_path_cycles"] == best
        assert estimate(folded)["resources"].multipliers <= multipliers


def test_what_comes_out_is_legal_and_fits():
    layers = mlp(490, 256, 256, 12)
    folded = apply(layers, fold(layers, ZCU104, Options(multipliers=512)))
    for x in folded:
        a = x.attrs
        if x.op == "MVAU_rtl":
            assert a["MH"] % a["PE"] == a["MW"] % a["SIMD"] == 0
            assert max(a["SIMD"] * 8, a["PE"] * 24, a["PE"] * a["SIMD"] * 8) <= 8191
            assert a["resType"] == "dsp"
        else:
            assert a["NumChannels"] % a["PE"] == 0
    total = estimate(folded)["resources"]
    assert total.multipliers <= 512
    assert total.dsp <= ZCU104.resources.dsp
    assert total.lut <= ZCU104.resources.lut
    assert total.bram18 <= 2 * ZCU104.resources.bram36


def test_a_deadline_and_a_rate_are_kept_at_less_cost():
    layers = mlp(64, 64, 64)
    fastest = estimate(apply(layers, fold(layers, ZCU104, Options())))
    in_time = estimate(apply(layers, fold(layers, ZCU104, Options(deadline_us=4.0))))
    assert fastest["critical_path_cycles"] < in_time["critical_path_cycles"] <= 4.0 * ZCU104.clock_mhz
    assert in_time["resources"].dsp < fastest["resources"].dsp
    paced = estimate(apply(layers, fold(layers, ZCU104, Options(rate_hz=1e6))))
    assert paced["max_cycles"] <= ZCU104.clock_mhz
    assert paced["resources"].dsp < fastest["resources"].dsp
    assert estimate(apply(layers, fold(layers, ZCU104, Options(rate_hz=100))))["resources"].multipliers == 2


def test_a_target_out_of_reach_is_named():
    with pytest.raises(FitError, match="cycles: at least"):
        fold(mlp(64, 64), ZCU104, Options(deadline_us=0.001))
    with pytest.raises(FitError, match=r"MVAU_rtl_0 \(node .*\) takes .* cycles at best"):
        fold(mlp(1024, 1024), ZCU104, Options(rate_hz=ZCU104.clock_mhz * 1e6))


def test_a_depthwise_window_hands_over_what_its_consumer_takes():
    for multipliers in (1, 4, 16, 30, 144):
        layers = depthwise(16)
        window, sums = (x.attrs for x in apply(layers, fold(layers, ZCU104, Options(multipliers=multipliers))))
        assert window["SIMD"] == sums["PE"]
        assert sums["PE"] * sums["SIMD"] <= multipliers
        assert sums["SIMD"] == 1 or (window["parallel_window"] == 1 and sums["PE"] == 16)
    assert sums["SIMD"] == 9  # with 144 multipliers: one window a clock


def test_narrow_products_stay_out_of_the_dsp():
    narrow = dense("n", 16, 16, op="MVAU_hls", weightDataType="INT2")
    assert fold([narrow], ZCU104, Options())["n"]["resType"] == "lut"
    wide = dense("w", 4096, 8, op="MVAU_hls")
    assert fold([wide], ZCU104, Options(multipliers=4))["w"] | {"ram_style": 0, "mem_mode": 0, "PE": 1} == {
        "PE": 1, "SIMD": 4, "resType": "dsp", "ram_style": 0, "mem_mode": 0,
    }  # fmt: skip


def test_fixed_attributes_stay():
    layer = FinnLayer("x", "Thresholding_rtl", threshold("x", 8, "in").attrs | {"PE": 8}, ("in",), "", ("PE",))
    assert "PE" not in fold([layer], ZCU104, Options()).get("x", {})


def test_layers_without_parallelism_pass_through():
    layers = [FinnLayer("up", "UpsampleNearestNeighbour_hls", {"OFMDim": 4, "IFMDim": 1, "NumChannels": 3}, ("in",))]
    assert fold(layers, ZCU104, Options()) == {}
    assert estimate(layers)["critical_path_cycles"] == 16


def test_a_stream_that_no_folding_narrows_is_refused():
    window = depthwise(1, 3)[0].attrs | {"inputDataType": "INT9000"}
    with pytest.raises(FitError, match="window: no folding keeps"):
        fold([FinnLayer("window", "ConvolutionInputGenerator_rtl", window, ("in",))], ZCU104, Options())


def test_estimate_adds_up():
    layers = apply(mlp(16, 8), fold(mlp(16, 8), ZCU104, Options(multipliers=8)))
    e = estimate(layers)
    assert e["layers"] == {x.name: layer_cycles(x.op, x.attrs) for x in layers}
    assert e["critical_path_cycles"] == sum(e["layers"].values())
    assert e["max_cycles"] == e["layers"][e["max_cycles_node_name"]] == max(e["layers"].values())
    assert e["resources"].dsp == sum(needed(x.op, x.attrs).dsp for x in layers)


def test_a_window_that_finn_cannot_generate_is_not_chosen():
    """FINN's generator fails (log2 of 0) where a whole window that covers the image has nothing left to count."""
    window = {
        "IFMChannels": 12, "IFMDim": [6, 6], "OFMDim": [1, 1], "ConvKernelDim": [6, 6], "Stride": [1, 1],
        "Dilation": [1, 1], "depthwise": 0, "SIMD": 1, "inputDataType": "INT8",
    }  # fmt: skip
    layer = FinnLayer("window", "ConvolutionInputGenerator_rtl", window, ("in",))
    assert fold([layer], ZCU104, Options())["window"]["parallel_window"] == 0
    larger = FinnLayer("window", layer.op, window | {"IFMDim": [8, 8], "OFMDim": [3, 3]}, ("in",))
    assert fold([larger], ZCU104, Options())["window"]["parallel_window"] == 1
