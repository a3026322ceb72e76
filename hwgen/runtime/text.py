"""The instruction encoder: a weighted bag of hashed words.

Every word has a fixed vector of +-1 made from its hash, so no vocabulary is stored and any word has one. Its weight
says how much the word told about the target in training, with a small floor for all other words: an unknown phrasing
is then the words that matter plus faint noise. Words are runs of the letters a to z after lower-casing; whatever else a
text holds separates them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from hwgen.runtime.errors import InputFault
from hwgen.runtime.pcg64 import random_signs

TEXT_SIZE = 32
FLOOR = 0.12
MAX_CHARACTERS = 4096
"""Longest instruction."""


def words(text: str) -> list[str]:
    """Lower-case words of a sentence."""
    return re.findall(r"[a-z]+", text.lower())


@lru_cache(maxsize=1024)
def word_vector(word: str, size: int = TEXT_SIZE) -> np.ndarray:
    """The fixed +-1 vector of a word, float32 [size], read-only."""
    signs = random_signs(zlib.crc32(word.encode()), size)
    signs.flags.writeable = False
    return signs


class TextEncoder:
    """Instruction -> float32 [size], read-only. weights: word -> weight; all other words weigh `floor`.

    A text without words is the zero vector, and a repeated word says nothing new. The latest `cached` instructions are
    kept: `cache_info()` counts hits and misses. Threads may share an encoder.
    """

    def __init__(
        self, weights: Mapping[str, float], size: int = TEXT_SIZE, floor: float = FLOOR, cached: int = 256
    ) -> None:
        self.weights, self.size, self.floor = dict(weights), size, floor
        self._embedding = lru_cache(maxsize=cached)(self._embed)
        self.cache_info = self._embedding.cache_info

    def __call__(self, text: str) -> np.ndarray:
        """Raises InputFault for anything but a string of at most MAX_CHARACTERS."""
        if not isinstance(text, str):
            raise InputFault(f"the instruction is {type(text).__name__}; give a string")
        if len(text) > MAX_CHARACTERS:
            raise InputFault(f"the instruction has {len(text)} characters; at most {MAX_CHARACTERS} are taken")
        return self._embedding(text)

    def _embed(self, text: str) -> np.ndarray:
        total = np.zeros(self.size, np.float32)
        for word in dict.fromkeys(words(text)):
            total += np.float32(self.weights.get(word, self.floor)) * word_vector(word, self.size)
        total.flags.writeable = False
        return total
