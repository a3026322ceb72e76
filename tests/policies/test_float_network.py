"""The demo's float half as a float network: FloatPolicy's numbers, and what quantization after training leaves."""

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="needs the flow environment")

from hwgen.policies.demo import load_demo  # noqa: E402
from hwgen.policies.policy import PIXEL, IntegerPolicy  # noqa: E402
from hwgen.quantize.post import Options, quantize  # noqa: E402


def observations(data: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    images = np.round(data["image"].transpose(0, 2, 3, 1) / PIXEL).astype(np.uint8)
    return images, data["state"], data["text"]


@pytest.mark.parametrize("name", ["demo", "demo-nonorm"])
def test_equals_the_float_policy(name):
    demo = load_demo(name)
    data = demo.calibration(8)
    found = demo.network().run(data)["action"]
    assert np.abs(found - demo.float_policy(*observations(data)).reshape(found.shape)).max() < 1e-5


@pytest.mark.parametrize("bits, bound", [(8, 0.03), (4, 0.06)])
def test_quantized_actions_are_close(bits, bound):
    """Mean error of actions within -1 and 1, on frames that are permuted and instructed in another way."""
    demo = load_demo()
    graph = quantize(demo.network(), demo.calibration(64), Options(bits=bits)).graph
    seen = observations(demo.calibration(32, seed=1))
    found = IntegerPolicy(demo, graph)(*seen)
    assert np.abs(found - demo.float_policy(*seen)).mean() < bound
