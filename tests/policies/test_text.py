"""The weights that training finds single out the colour, in phrasings that it never saw, too."""

import numpy as np

from hwgen.policies.embodiment import COLOURS
from hwgen.policies.instructions import TRAIN_TEMPLATES, UNSEEN_TEMPLATES
from hwgen.policies.loading import load_policy
from hwgen.policies.shipped import SHAPES
from hwgen.policies.text import drop_words, informativeness
from hwgen.runtime.text import TextEncoder, word_vector

WEIGHTS = informativeness(TRAIN_TEMPLATES, COLOURS)


def test_only_the_colours_are_informative():
    assert set(WEIGHTS) == set(COLOURS)
    assert all(abs(weight - 1.0) < 1e-9 for weight in WEIGHTS.values())
    assert all(load_policy(name).config.words == WEIGHTS for name in SHAPES)


def test_the_recorded_texts_are_those_of_the_training_instructions():
    """The checkpoint keeps embeddings made when it was trained: the encoder still makes them, bit for bit."""
    for name in SHAPES:
        demo = load_policy(name)
        said = {template.replace("{}", colour) for template in TRAIN_TEMPLATES for colour in COLOURS}
        made = {demo.text_encoder(text).tobytes() for text in said}
        assert {row.tobytes() for row in demo.recorded["text"]} & made


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
        assert "blue" in drop_words(encoder, "reach the blue cube", rng).split()
