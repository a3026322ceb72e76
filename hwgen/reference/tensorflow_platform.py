"""What the TensorFlow references share: version, devices, and the compiled functions. TensorFlow is imported late."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.errors import ToolError
from hwgen.graph.graph import Graph
from hwgen.reference.base import Arrays, Platform, walk


class TensorFlowPlatform(Platform):
    """Subclasses give ``functions()``, ``parameters(graph, saturate)`` and the NumPy dtype of inputs and tensors."""

    dtype: np.dtype

    def functions(self) -> dict[str, Callable]:
        """Operator name -> function(step, params, *tensors)."""
        raise NotImplementedError

    def parameters(self, graph: Graph, saturate: bool) -> dict[str, dict[str, np.ndarray]]:
        """Arrays by node and name, in the dtypes that the functions take."""
        raise NotImplementedError

    def version(self) -> str:
        import tensorflow as tf

        return f"tensorflow {tf.__version__}"

    def find_device(self, device: str | None) -> str:
        import tensorflow as tf

        there = [f"{d.device_type.lower()}:{d.name.rsplit(':', 1)[1]}" for d in tf.config.list_logical_devices()]
        wanted = device or ("gpu" if any(name.startswith("gpu") for name in there) else "cpu")
        wanted = wanted.replace("cuda", "gpu")
        wanted = wanted if ":" in wanted else f"{wanted}:0"
        if wanted not in there:
            raise ToolError(f"device {device!r} is absent: TensorFlow sees {', '.join(there)} here; use one of these")
        return wanted

    def compile(self, graph: Graph, device: str, saturate: bool) -> Callable[[Arrays, bool], Arrays]:
        import tensorflow as tf

        functions = self.functions()
        with tf.device(device):
            params = {
                node: {name: tf.constant(a) for name, a in p.items()}
                for node, p in self.parameters(graph, saturate).items()
            }
        signature = {n: tf.TensorSpec((None, *graph.tensors[n].shape), self.dtype, n) for n in graph.inputs}

        def traced(keep: bool) -> Callable:
            # Elsewhere than on a CPU, TensorFlow's own kernels for integers are few; XLA compiles them all.
            @tf.function(input_signature=[signature], autograph=False, jit_compile=not device.startswith("cpu"))
            def forward(inputs):
                return walk(graph, functions, params, inputs, keep)

            return forward

        compiled = {False: traced(False), True: traced(True)}

        def run(inputs: Arrays, keep: bool) -> Arrays:
            with tf.device(device):
                fed = {name: tf.constant(x.astype(self.dtype)) for name, x in inputs.items()}
                values = {name: y.numpy() for name, y in compiled[keep](fed).items()}
            return {name: self.result(graph, name, y) for name, y in values.items()}

        return run

    def result(self, graph: Graph, name: str, y: np.ndarray) -> np.ndarray:
        """A tensor as it is handed out."""
        return y
