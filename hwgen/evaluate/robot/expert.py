"""The scripted expert: over the cube first, then down, slower as it comes near. Labels for behaviour cloning."""

from __future__ import annotations

import numpy as np

from hwgen.policies.embodiment import MAX_STEP

CHUNK = 8
TRACKING = 0.85  # share of a commanded displacement that the arm makes within one step (measured)
_SLOW_WITHIN = 0.03  # the commanded speed falls linearly inside this distance


def expert_action(ee: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Action float64 [..., 3] in [-1, 1] for end effector ee and goal, both [..., 3] in metres.

    Above the goal's surroundings the target is raised (a funnel), so that the path keeps clear of the other cubes.
    """
    delta = np.asarray(goal, np.float64) - np.asarray(ee, np.float64)
    flat = np.linalg.norm(delta[..., :2], axis=-1)
    delta[..., 2] += np.clip(1.5 * (flat - 0.03), 0.0, 0.11)
    action = delta / _SLOW_WITHIN
    return action / np.maximum(np.abs(action).max(axis=-1, keepdims=True), 1.0)


def expert_chunk(ee: np.ndarray, goal: np.ndarray, tracking: float = TRACKING, chunk: int = CHUNK) -> np.ndarray:
    """The expert's next actions float32 [..., chunk, 3], with ee' = ee + tracking * MAX_STEP * action between them."""
    ee = np.array(ee, np.float64)
    actions = []
    for _ in range(chunk):
        action = expert_action(ee, goal)
        actions.append(action)
        ee = ee + tracking * MAX_STEP * action
    return np.stack(actions, axis=-2).astype(np.float32)
