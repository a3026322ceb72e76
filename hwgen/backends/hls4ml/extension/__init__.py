"""Operators that hls4ml lacks, bit-exact to the golden model: hls4ml layers over HLS templates of ours.

`register()` teaches hls4ml's Vitis backend; `layer_dict` makes an entry of the layer list that
`ModelGraph.from_layer_list` takes. The templates are in hls_templates/hls4ml/nnet_utils.
"""

from hwgen.backends.hls4ml.extension import spec as _spec
from hwgen.backends.hls4ml.extension.lower import OPS, layer_dict, lower
from hwgen.backends.hls4ml.extension.spec import PARALLEL, STREAM

__all__ = ["OPS", "PARALLEL", "STREAM", "latency", "layer_dict", "lower", "multipliers", "register"]


def register() -> None:
    """See `layers.register`; hls4ml is imported only now."""
    from hwgen.backends.hls4ml.extension.layers import register

    register()


def latency(layer: dict, io: str = PARALLEL, reuse: int = 1) -> int:
    """Clocks of a layer dict; see `spec.latency`."""
    return _spec.latency(layer["spec"], io, reuse)


def multipliers(layer: dict, io: str = PARALLEL, reuse: int = 1) -> int:
    """Multiplications of a layer dict that happen side by side; see `spec.multipliers`."""
    return _spec.multipliers(layer["spec"], io, reuse)
