"""From a checkpoint's file to an integer graph by the command, and on to RTL."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hwgen.cli import app
from hwgen.graph import golden, qonnx_in
from tests.frontends.checkpoints import act_policy, torch_writer
from tests.frontends.checkpoints.test_oft import STATES, head


def run(*words) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def policy(tmp_path):
    act_policy.save(tmp_path, act_policy.state_dict())
    np.savez(tmp_path / "recorded.npz", **act_policy.observations(16))
    return tmp_path


def test_a_folder_of_lerobot_becomes_integers_that_stay_close(policy):
    text = run("quantize", policy, "--calibration", policy / "recorded.npz", "-o", policy / "act.onnx")
    assert "observation.images.top.backbone.layer4.1.relu2" in text and "action" in text
    graph, batch = qonnx_in.load(policy / "act.onnx"), act_policy.observations(4, seed=9)
    assert not graph.tensors["observation.images.top"].dtype.signed
    state = act_policy.state_dict()
    wanted = np.stack([act_policy.forward(state, {k: v[i] for k, v in batch.items()}) for i in range(4)])
    got = golden.dequantize_outputs(graph, golden.run(graph, golden.quantize_inputs(graph, batch)))["action"]
    assert 0 < np.abs(got - wanted).std() < 0.1 * wanted.std()


def test_a_pytorch_file_with_weights_of_4_bits(tmp_path):
    file = torch_writer.save(tmp_path / "action_head.pt", head(), "module.")
    x = np.random.default_rng(2).normal(size=(16, 4, STATES)).astype(np.float32)
    np.savez(tmp_path / "x.npz", states=x)
    run("quantize", file, "--calibration", tmp_path / "x.npz", "-o", tmp_path / "head.onnx", "--bits", 4)
    graph = qonnx_in.load(tmp_path / "head.onnx")
    assert graph.tensors["states"].shape == (4, STATES)


@pytest.mark.full
@pytest.mark.rtl
def test_the_rtl_of_a_checkpoint_equals_the_golden_model(policy):
    run("quantize", policy / "model.safetensors", "--calibration", policy / "recorded.npz", "-o", policy / "act.onnx")
    run("generate", policy / "act.onnx", "--board", "zcu104", "--array", "8x8", "-o", policy / "design")
    np.savez(policy / "two.npz", **act_policy.observations(2, seed=3))
    run("simulate", policy / "design", "--inputs", policy / "two.npz")
    report = json.loads((policy / "design" / "report.json").read_text())
    assert report["bit_exact"] and report["latency_cycles"] == report["predicted_cycles"]
