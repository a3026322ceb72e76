"""Parses host programs and compares them with the golden model."""

from __future__ import annotations

import json

import numpy as np

from hwgen.build.host_program import serialise
from hwgen.graph import Graph, golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.runtime.host import HostProgram


class Refused(Exception):
    """What `parsed` raises."""


def parsed(description: dict, arrays: dict) -> HostProgram:
    """The program, after a trip through JSON."""

    def complain(where: str, reason: str) -> Refused:
        return Refused(f"{where} {reason}")

    return HostProgram.parse(json.loads(json.dumps(description)), arrays, "before", complain)


def check_equal(graph: Graph, seed: int, batch: int = 4) -> None:
    """Every tensor of the graph, the last 64 of a long one, equals golden's, and lies in the range that is stated."""
    outputs = [node.output for node in graph.nodes][-64:]
    graph.outputs = outputs
    program, inputs = parsed(*serialise(graph)), random_inputs(graph, seed, batch)
    want, found = golden.run(graph, inputs), program.run_batch(inputs)
    for name in outputs:
        np.testing.assert_array_equal(found[name], want[name], err_msg=f"{graph.producer(name)}, seed {seed}")
        tensor, info = program.outputs[name], np.iinfo(found[name].dtype)
        assert tensor.shape == graph.tensors[name].shape
        assert info.min <= tensor.lo <= want[name].min() and want[name].max() <= tensor.hi <= info.max
