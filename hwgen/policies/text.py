"""What training needs of the instruction encoder (`hwgen.runtime.text`): the words' weights, and noise."""

from __future__ import annotations

import numpy as np

from hwgen.runtime.text import FLOOR, TextEncoder, words


def informativeness(templates: tuple[str, ...], targets: tuple[str, ...]) -> dict[str, float]:
    """Weight of each word of the training instructions: 1 minus the normalized entropy of the target given the word,
    1 - H(target | word) / log(len(targets)). Words that tell no more than the floor are left out."""
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


def drop_words(encoder: TextEncoder, text: str, rng: np.random.Generator) -> str:
    """Training noise: each uninformative word goes with probability 0.4, up to eight made-up ones come."""
    kept = [w for w in words(text) if w in encoder.weights or rng.random() > 0.4]
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    for _ in range(int(rng.integers(0, 9))):
        kept.append("".join(rng.choice(letters, 6)))
    return " ".join(kept)
