"""The training pipeline on a tiny recipe: it ends in a checkpoint whose integers are the Keras model's."""

import numpy as np
import pytest

pytestmark = [pytest.mark.policy, pytest.mark.xdist_group("train")]


def test_demonstrations_repeat_and_are_labelled_for_every_cube(tmp_path, seed):
    from hwgen.policies.demonstrations import Demonstrations, collect

    first = collect(2, seed % 1000, workers=1)
    again = collect(2, seed % 1000, workers=1)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.ee, again.ee)
    chunks = first.chunks()
    assert chunks.shape == (len(first.ee), 3, 8, 3)
    assert np.abs(chunks).max() <= 1.0
    first.save(tmp_path / "demos.npz")
    np.testing.assert_array_equal(Demonstrations.load(tmp_path / "demos.npz").cubes, first.cubes)


def test_permuted_channels_go_with_the_permuted_instruction(seed):
    """A cube of pure colour c must be asked for by the colour that it shows after the permutation."""
    from hwgen.policies.batches import Batches
    from hwgen.policies.demonstrations import Demonstrations
    from hwgen.runtime.text import TextEncoder, word_vector

    encoder = TextEncoder({"red": 1.0, "green": 1.0, "blue": 1.0})
    cubes = np.repeat(np.eye(3, dtype=np.float32)[None] * 0.1, 12, 0)
    images = np.zeros((12, 64, 64, 3), np.uint8)
    demos = Demonstrations(images, np.zeros((12, 3), np.float32), cubes, np.arange(12, dtype=np.int32) + 1)
    batches = Batches(demos, encoder, seed)
    for _ in range(12):
        _, permutation, _, text, chunk, _ = batches.next(4)
        likeness = np.stack([text @ word_vector(c) for c in ("red", "green", "blue")], 1)
        shown = likeness.argmax(1)
        for row in range(4):
            # Cube i glows in channel i; the picture's channel `shown` holds the camera's channel permutation[shown].
            target = permutation[shown[row]]
            np.testing.assert_array_equal(chunk[row], batches.chunks[0, target])


@pytest.mark.full
def test_tiny_training_ends_in_an_exact_checkpoint(tmp_path):
    from hwgen.policies.demo import load_demo
    from hwgen.quantize.train_demo import Recipe, train

    stages = []
    recipe = Recipe(episodes=64, float_epochs=1.0, quant_epochs=0.5, batch=32, evaluate=2)
    report = train(
        tmp_path / "tiny.safetensors", recipe, tmp_path / "work", threads=1,
        progress=lambda stage, done, total, text: stages.append(stage),
    )  # fmt: skip
    assert report["mismatches"] == 0
    assert {"collect", "float", "quantize", "evaluate float", "evaluate integer"} <= set(stages)
    assert load_demo(tmp_path / "tiny.safetensors").config.integers
