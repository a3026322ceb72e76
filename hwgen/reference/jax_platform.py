"""What the JAX references share: version, devices, moving data, and the compiled functions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from hwgen.errors import ToolError
from hwgen.graph.graph import Graph
from hwgen.reference.base import Arrays, Platform


class JaxPlatform(Platform):
    """Subclasses give ``function(graph, saturate)`` -> (forward(params, inputs, keep), params)."""

    def function(self, graph: Graph, saturate: bool) -> tuple[Callable, dict]:
        """The graph as a pure JAX function of parameters and inputs, and its parameters (NumPy)."""
        raise NotImplementedError

    def input_dtypes(self, graph: Graph) -> dict[str, np.dtype]:
        """The dtype in which ``function`` takes each input."""
        return {name: graph.tensors[name].dtype.numpy for name in graph.inputs}

    def version(self) -> str:
        import jax

        return f"jax {jax.__version__}"

    def find_device(self, device: str | None) -> str:
        found = _device(device)
        kind = "" if found.device_kind == found.platform else f" ({found.device_kind})"
        return f"{found.platform}:{found.id}{kind}"

    def compile(self, graph: Graph, device: str, saturate: bool) -> Callable[[Arrays, bool], Arrays]:
        import jax

        where = _device(device.split()[0])
        forward, params = self.function(graph, saturate)
        dtypes = self.input_dtypes(graph)
        jitted = jax.jit(forward, static_argnames="keep")
        with jax.enable_x64(True):
            params = jax.device_put(params, where)

        def run(inputs: Arrays, keep: bool) -> Arrays:
            # 64 bit only in here: the caller's own JAX code keeps its setting.
            fed = {name: x.astype(dtypes[name]) for name, x in inputs.items()}
            with jax.enable_x64(True):
                values = jitted(params, jax.device_put(fed, where), keep=keep)
            return {name: np.asarray(y) for name, y in values.items()}

        return run


@functools.cache
def _device(name: str | None):
    """A JAX device by platform and index ("cuda", "tpu:1"); None: JAX's default."""
    import jax

    if name is None:
        return jax.devices()[0]
    kind, _, index = name.partition(":")
    try:
        return jax.devices(kind)[int(index or 0)]
    except (RuntimeError, IndexError, ValueError) as e:
        there = ", ".join(sorted({f"{d.platform}:{d.id}" for d in jax.devices()}))
        raise ToolError(
            f"device {name!r} is absent: JAX sees {there} here. Use one of these, or install jax[{kind}] on a machine "
            "that has one"
        ) from e
