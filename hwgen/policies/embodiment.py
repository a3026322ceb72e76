"""The robot that the demo policy moves, as the policy knows it: what its state and its actions mean, and the colours.

Lengths are metres. The robot itself, simulated, is in hwgen.evaluate.robot.
"""

from __future__ import annotations

import numpy as np

COLOURS = ("red", "green", "blue")
"""Of the cubes, in the order of the picture's channels."""
MAX_STEP = 0.015
"""Displacement of the end effector commanded by |action| = 1, in one control step."""
CONTROL_RATE_HZ = 25.0
"""Control steps a second: panda-gym's 20 substeps of 2 ms."""
STATE_SIZE = 3
STATE_CENTRE = np.array([0.0, 0.0, 0.13], np.float32)
STATE_SCALE = np.array([0.0625, 0.0625, 0.05], np.float32)
"""The workspace spans about +-3.5 normalized units."""


def normalize_state(ee: np.ndarray) -> np.ndarray:
    """End-effector positions [..., 3] in metres -> the policy's state float32 [..., 3], about +-3.5."""
    return ((np.asarray(ee, np.float32) - STATE_CENTRE) / STATE_SCALE).astype(np.float32)
