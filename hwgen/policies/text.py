"""The host's text encoder: a weighted bag of hashed words.

Every word has a fixed vector of +-1 made from its hash, so no vocabulary is stored and any word has one. Its weight
says how much the word told about the target in the training instructions (1 minus the normalized entropy of the
target given the word), with a small floor for words that told nothing or never occurred: an unknown phrasing then
is the known colour word plus faint noise.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

TEXT_SIZE = 32
FLOOR = 0.12


def words(text: str) -> list[str]:
    """Lower-case words of a sentence."""
    return re.findall(r"[a-z]+", text.lower())


def word_vector(word: str) -> np.ndarray:
    """The fixed +-1 vector of a word, float32 [TEXT_SIZE]."""
    rng = np.random.default_rng(zlib.crc32(word.encode()))
    return rng.choice(np.array([-1.0, 1.0], np.float32), TEXT_SIZE)


def informativeness(templates: tuple[str, ...], targets: tuple[str, ...]) -> dict[str, float]:
    """Weight of each word of the training instructions: 1 - H(target | word) / log(len(targets))."""
    counts: dict[str, np.ndarray] = {}
    for index, target in enumerate(targets):
        for template in templates:
            for word in set(words(template.replace("{}", target))):
                counts.setdefault(word, np.zeros(len(targets)))[index] += 1
    weights = {}
    for word, count in counts.items():
        share = count[count > 0] / count.sum()
        weights[word] = float(1.0 + (share * np.log(share)).sum() / np.log(len(targets)))
    return {word: weight for word, weight in weights.items() if weight > FLOOR}


class TextEncoder:
    """Instruction -> float32 [TEXT_SIZE]. weights: word -> weight; all other words weigh FLOOR."""

    def __init__(self, weights: dict[str, float]) -> None:
        self.weights = dict(weights)

    def __call__(self, text: str) -> np.ndarray:
        total = np.zeros(TEXT_SIZE, np.float32)
        for word in dict.fromkeys(words(text)):  # a repeated word says nothing new
            total += np.float32(self.weights.get(word, FLOOR)) * word_vector(word)
        return total

    def drop(self, text: str, rng: np.random.Generator) -> str:
        """Training noise: each uninformative word goes with probability 0.4, up to eight made-up ones come."""
        kept = [w for w in words(text) if w in self.weights or rng.random() > 0.4]
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        for _ in range(int(rng.integers(0, 9))):
            kept.append("".join(rng.choice(letters, 6)))
        return " ".join(kept)
