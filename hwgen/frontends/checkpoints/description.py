"""What the numbers of a whole policy mean, from the statistics beside its weights: the file that `hwgen package
--policy` takes (docs/package.md), so that the robot gives raw states and gets raw actions."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.policy_files import PolicyFiles, normalization
from hwgen.quantize.floats import FloatGraph

ACTION = "action"
KINDS = {"observation.state": "STATE", "observation.environment_state": "ENV"}
"""LeRobot's kind of each vector that a policy observes."""
LEAST = 1e-12
"""A spread that is not 0, for numbers that never changed."""


def describe(files: PolicyFiles, graph: FloatGraph, modes: Mapping[str, str]) -> str:
    """TOML of a policy whose inputs are LeRobot's features. modes: normalization where config.json does not tell.

    Raises InputError, which names every feature whose statistics are missing.
    """
    entries, problems = [], []

    def lines(feature: str, mode: str) -> list[str]:
        try:
            mean, std = mean_and_std(files, feature, mode)
        except InputError as error:
            problems.append(str(error))
            return []
        return [] if mean is None else [f"mean = {_numbers(mean)}", f"std = {_numbers(std)}"]

    for name in graph.inputs:
        kind = "image" if name in graph.pixels else "vector"
        entry = ["", "[[observation]]", f"name = {json.dumps(name)}", f'kind = "{kind}"', f"to = {json.dumps(name)}"]
        if kind == "vector":
            entry += lines(name, files.mode(KINDS[name], modes[KINDS[name]]))
        entries += entry
    entries += ["", "[action]", f'from = "{ACTION}"', *lines(ACTION, files.mode("ACTION", modes["ACTION"]))]
    if problems:
        raise InputError("; ".join(problems))
    *chunk, _ = graph.shapes[graph.outputs[ACTION]]
    rows = int(np.prod(chunk))
    head = [
        f"name = {json.dumps(str(files.config.get('type') or graph.name))}",
        f"chunk = {rows}",
        f"execute = {min(rows, max(1, files.setting('n_action_steps', rows)))}",
        "# rate_hz = 50  # actions a second: no checkpoint tells; here, or `hwgen package --rate-hz`",
    ]
    return "\n".join(head + entries) + "\n"


def mean_and_std(files: PolicyFiles, feature: str, mode: str) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """What normalizes a feature, (x - mean) / std; (None, None) where nothing does. Raises InputError."""
    if mode == "IDENTITY":
        return None, None
    found = {part: value.reshape(-1) for part, value in files.statistics.get(feature, {}).items()}
    gain, bias = normalization(files.file, feature, found, mode)
    if feature != ACTION:
        return -bias / gain, 1 / gain
    if mode == "MEAN_STD":  # the way back adds nothing to the divisor
        return found["mean"], np.maximum(found["std"], LEAST)
    return (found["min"] + found["max"]) / 2, np.maximum((found["max"] - found["min"]) / 2, LEAST)


def _numbers(values: np.ndarray) -> str:
    return json.dumps([float(v) for v in values])
