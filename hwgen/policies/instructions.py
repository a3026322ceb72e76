"""What people say to the robot: templates for training, and others, with other words, that training never sees."""

from __future__ import annotations

import numpy as np

from hwgen.policies.embodiment import COLOURS

TRAIN_TEMPLATES = (
    "reach the {} cube",
    "reach for the {} block",
    "touch the {} block",
    "touch the {} cube",
    "go to the {} cube",
    "go over to the {} one",
    "move to the {} block",
    "move the gripper to the {} one",
    "move the arm towards the {} cube",
    "bring the gripper to the {} block",
    "bring your hand to the {} cube",
    "put the hand on the {} cube",
    "the {} cube",
    "{} block",
    "find the {} cube and touch it",
    "now the {} one",
    "the target is the {} block",
    "drive the arm to the {} object",
    "steer to the {} cube",
    "can you reach the {} block",
)
UNSEEN_TEMPLATES = (
    "please tap the {} box",
    "would you kindly poke the {} thing over there",
    "i want you to head for whatever is {}",
    "there is a {} item on this table, get to it",
    "approach the square that looks {}",
    "hover above the {} die, then descend",
    "of all three pieces, choose the {}",
    "could the robot make contact with something {}?",
    "let's see if you can hit the {} brick",
    "{}! quickly, the {} toy!",
)
PHRASINGS = {"train": TRAIN_TEMPLATES, "unseen": UNSEEN_TEMPLATES}


def instruction(colour: int, phrasing: str, rng: np.random.Generator) -> str:
    """A sentence that asks for COLOURS[colour], its template drawn from PHRASINGS[phrasing]."""
    templates = PHRASINGS[phrasing]
    return templates[int(rng.integers(len(templates)))].replace("{}", COLOURS[colour])
