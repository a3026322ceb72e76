"""The host's text encoder: fixed vectors, weights that single out the colour, unknown words as faint noise."""

import numpy as np

from hwgen.evaluate.robot.instructions import TRAIN_TEMPLATES, UNSEEN_TEMPLATES
from hwgen.evaluate.robot.scene import COLOURS
from hwgen.policies.text import FLOOR, TEXT_SIZE, TextEncoder, informativeness, word_vector

WEIGHTS = informativeness(TRAIN_TEMPLATES, COLOURS)


def test_only_the_colours_are_informative():
    assert set(WEIGHTS) == set(COLOURS)
    assert all(abs(weight - 1.0) < 1e-9 for weight in WEIGHTS.values())


def test_embeddings_are_repeatable_and_differ_by_colour():
    encoder = TextEncoder(WEIGHTS)
    texts = [encoder(f"reach the {colour} cube") for colour in COLOURS]
    assert all(t.shape == (TEXT_SIZE,) and t.dtype == np.float32 for t in texts)
    np.testing.assert_array_equal(texts[0], TextEncoder(WEIGHTS)("Reach, the RED cube!"))
    assert min(np.linalg.norm(texts[i] - texts[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 4.0


def test_an_unknown_word_weighs_the_floor():
    encoder = TextEncoder(WEIGHTS)
    np.testing.assert_allclose(encoder("red zyx") - encoder("red"), FLOOR * word_vector("zyx"), rtol=1e-6, atol=1e-6)


def test_unseen_templates_are_unseen_but_keep_the_colour_nearest():
    assert not set(UNSEEN_TEMPLATES) & set(TRAIN_TEMPLATES)
    encoder = TextEncoder(WEIGHTS)
    for template in UNSEEN_TEMPLATES:
        for index, colour in enumerate(COLOURS):
            likeness = [float(encoder(template.replace("{}", colour)) @ word_vector(c)) for c in COLOURS]
            assert int(np.argmax(likeness)) == index, template


def test_noise_keeps_informative_words(rng):
    encoder = TextEncoder(WEIGHTS)
    for _ in range(20):
        assert "blue" in encoder.drop("reach the blue cube", rng).split()
