"""Networks of PyTorch, quantized after training, on the engine's interpreter: golden's bits in the clocks predicted."""

import pytest

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen.frontends.onnx_float import load  # noqa: E402
from hwgen.quantize.post import Options, quantize  # noqa: E402
from tests.quantize.test_post import TORCH, batch  # noqa: E402
from tests.schedule.test_tensors import check  # noqa: E402
from tests.support import cases  # noqa: E402


@pytest.mark.parametrize("name", cases(["mlp", "decoder", "unet"], ["mlp", "resnet18", "vit", "decoder", "unet"]))
@pytest.mark.parametrize("bits", cases([8], [8, 4]))
def test_quantized_networks_run_on_the_engine(name, bits):
    network = load(TORCH / f"{name}-dynamo18.onnx")
    check(quantize(network, batch(network, 16, bits), Options(bits=bits)).graph, (8, 8), bits)
