"""The policy `vit-flow` as RTL, encoder and head with its loop: golden's integers, the compiler's clocks."""

import numpy as np
import pytest

from hwgen.backends.engine.generate import generate
from hwgen.backends.options import Options
from hwgen.evaluate.simulate import simulate
from hwgen.graph import golden
from hwgen.policies.loading import load_policy
from hwgen.policies.shipped import save_part
from tests.support import cases

pytestmark = pytest.mark.rtl


def test_frames_under_drawn_noise(tmp_path, seed):
    policy = load_policy("vit-flow")
    design = generate(save_part("vit-flow", tmp_path), "zcu104", Options(array=(8, 8)), tmp_path / "design")
    whole, inputs = policy.whole(), policy.frames("whole", cases(3, 100), seed)
    reals = {name: values * np.float32(whole.tensors[name].scale) for name, values in inputs.items()}
    np.savez(tmp_path / "in.npz", **{name: values.astype(np.float32) for name, values in reals.items()})
    report = simulate(design, tmp_path / "in.npz", tmp_path / "out.npz")
    assert report["bit_exact"] and report["vectors"] == len(inputs["noise"])
    assert report["latency_cycles"] == report["predicted_cycles"]
    want = golden.dequantize_outputs(whole, golden.run(whole, inputs))["action"]
    np.testing.assert_allclose(np.load(tmp_path / "out.npz")["action"], want, atol=1e-6)
