"""The instruction encoder: fixed vectors under every NumPy, unknown words as faint noise, any text, a bounded cache."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwgen.runtime.errors import InputFault
from hwgen.runtime.pcg64 import random_signs
from hwgen.runtime.text import FLOOR, MAX_CHARACTERS, TEXT_SIZE, TextEncoder, word_vector

WEIGHTS = {"red": 1.0, "green": 1.0, "blue": 1.0}
SIGNS = {0: 0x766FFE07, 1: 0x09F324CE, 2**32 - 1: 0x64FE7394}
"""The first 32 signs of some seeds, the first in the lowest bit (1 for +1), as NumPy 1.26 and 2.4 draw them."""


def test_signs_are_those_of_numpy(seed):
    """This NumPy's: a release that draws otherwise makes this fail, and nothing else."""
    for s in (0, 1, 2**32 - 1, *np.random.default_rng(seed).integers(0, 2**32, 200).tolist()):
        want = np.random.default_rng(s).choice(np.array([-1.0, 1.0], np.float32), s % 70)
        np.testing.assert_array_equal(random_signs(s, s % 70), want)


@pytest.mark.parametrize("seed", SIGNS)
def test_signs_never_change(seed):
    signs = random_signs(seed, 32)
    assert signs.dtype == np.float32
    assert sum(1 << k for k, sign in enumerate(signs) if sign > 0) == SIGNS[seed]


def test_words_never_change():
    assert "".join("+" if sign > 0 else "-" for sign in word_vector("red")) == "-++++-----++--++++--------+-++--"


def test_embeddings_are_repeatable_and_differ_by_colour():
    encoder = TextEncoder(WEIGHTS)
    texts = [encoder(f"reach the {colour} cube") for colour in WEIGHTS]
    assert all(t.shape == (TEXT_SIZE,) and t.dtype == np.float32 for t in texts)
    np.testing.assert_array_equal(texts[0], TextEncoder(WEIGHTS)("Reach, the RED cube!"))
    assert min(np.linalg.norm(texts[i] - texts[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 4.0


def test_an_unknown_word_weighs_the_floor():
    encoder = TextEncoder(WEIGHTS)
    np.testing.assert_allclose(encoder("red zyx") - encoder("red"), FLOOR * word_vector("zyx"), rtol=1e-6, atol=1e-6)


def test_size_and_floor():
    encoder = TextEncoder(WEIGHTS, size=7, floor=0.0)
    np.testing.assert_array_equal(encoder("the red one"), word_vector("red", 7))


@pytest.mark.parametrize("text", ["", " \n\t", "12 34!", "赤い箱", "🤖", "\0"])
def test_a_text_without_words_is_zero(text):
    np.testing.assert_array_equal(TextEncoder(WEIGHTS)(text), np.zeros(TEXT_SIZE, np.float32))


def test_other_letters_separate_words():
    encoder = TextEncoder(WEIGHTS)
    np.testing.assert_array_equal(encoder("RED→blüe\ud800"), encoder("red bl e"))


def test_absurd_texts_are_refused():
    encoder = TextEncoder(WEIGHTS)
    assert encoder("a " * (MAX_CHARACTERS // 2)).any()
    for text, message in (("a" * (MAX_CHARACTERS + 1), "4097 characters"), (None, "NoneType"), (b"red", "bytes")):
        with pytest.raises(InputFault, match=message):
            encoder(text)


def test_the_cache_is_bounded_and_counts():
    encoder = TextEncoder(WEIGHTS, cached=2)
    for text in ("a", "a", "b", "c", "a"):
        encoder(text)
    info = encoder.cache_info()
    assert (info.hits, info.misses, info.currsize) == (1, 4, 2)


def test_embeddings_cannot_be_written():
    embedding = TextEncoder(WEIGHTS)("red")
    with pytest.raises(ValueError, match="read-only"):
        embedding += 1
    with pytest.raises(ValueError, match="read-only"):
        word_vector("red")[0] = 0


def test_threads_share_an_encoder():
    encoder, texts = TextEncoder(WEIGHTS, cached=8), [f"reach {k % 20}x red {chr(97 + k % 20)}" for k in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(encoder, texts))
    for text, embedding in zip(texts, found, strict=True):
        np.testing.assert_array_equal(embedding, TextEncoder(WEIGHTS)(text))
    info = encoder.cache_info()
    assert info.hits + info.misses == 400
