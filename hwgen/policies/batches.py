"""Labelled batches of demonstrations: what every policy of the simulated robot is trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwgen.evaluate.robot.expert import CHUNK
from hwgen.policies.demonstrations import Demonstrations
from hwgen.policies.embodiment import COLOURS, normalize_state
from hwgen.policies.instructions import TRAIN_TEMPLATES
from hwgen.policies.text import drop_words
from hwgen.runtime.text import TextEncoder

_PERMUTATIONS = np.array([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
_TEXT_VARIANTS = 400  # noisy phrasings kept per colour


class Batch(NamedTuple):
    """images uint8 [B, 64, 64, 3], whose channels are still to be permuted; state float32 [B, 3], normalized; text
    float32 [B, E]; chunk: the expert's answer float32 [B, chunk * 3]; goal: the named cube, normalized like state.
    """

    images: np.ndarray
    permutation: np.ndarray
    state: np.ndarray
    text: np.ndarray
    chunk: np.ndarray
    goal: np.ndarray


class Batches:
    """Random labelled batches of demonstrations; chunk: motions of an answer. Same seed, same batches."""

    def __init__(self, demos: Demonstrations, encoder: TextEncoder, seed: int, chunk: int = CHUNK) -> None:
        self.demos, self.rng = demos, np.random.default_rng(seed)
        self.state = normalize_state(demos.ee)
        self.goals = normalize_state(demos.cubes)
        self.chunks = demos.chunks(chunk).reshape(len(demos.ee), 3, -1)
        held = demos.episode % 50 == 0  # whole episodes are held out
        self.train, self.held = np.flatnonzero(~held), np.flatnonzero(held)
        self.texts = np.stack([self._texts(encoder, colour) for colour in COLOURS])
        self._order = np.empty(0, int)

    def _texts(self, encoder: TextEncoder, colour: str) -> np.ndarray:
        picks = self.rng.integers(len(TRAIN_TEMPLATES), size=_TEXT_VARIANTS)
        plain = [TRAIN_TEMPLATES[i].replace("{}", colour) for i in picks]
        noisy = [drop_words(encoder, text, self.rng) if n % 2 else text for n, text in enumerate(plain)]
        return np.stack([encoder(text) for text in noisy])

    def label(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """These frames, each under a random instruction."""
        return self._ask(rows, rng.integers(0, 3, len(rows)), rng)

    def ask_all(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """These frames, each under all three instructions: text, chunk and goal have a second axis of 3."""
        return self._ask(rows, np.broadcast_to(np.arange(3), (len(rows), 3)), rng)

    def _ask(self, rows: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> Batch:
        """Frames under instructions that name cube `colour` [N] or [N, 3], as red, green or blue at random.

        All but the cubes is grey, so permuting the colour channels permutes the cubes' colours exactly.
        """
        permutation = _PERMUTATIONS[rng.integers(6)]
        shown = np.argsort(permutation)[colour]
        text = self.texts[shown, rng.integers(0, self.texts.shape[1], colour.shape)]
        at = rows.reshape(-1, *[1] * (colour.ndim - 1)), colour
        return Batch(self.demos.images[rows], permutation, self.state[rows], text, self.chunks[at], self.goals[at])

    def next(self, size: int, all_instructions: bool = False) -> Batch:
        """The next frames, under a random instruction each, or under all three."""
        if len(self._order) < size:
            self._order = self.rng.permutation(self.train)
        rows, self._order = self._order[:size], self._order[size:]
        return (self.ask_all if all_instructions else self.label)(rows, self.rng)

    def checks(self, count: int = 2048, pieces: int = 8, all_instructions: bool = False) -> list[Batch]:
        """The same held-out batches at every call."""
        rng, ask = np.random.default_rng(7), self.ask_all if all_instructions else self.label
        return [ask(rows, rng) for rows in np.array_split(self.held[:count], pieces)]
