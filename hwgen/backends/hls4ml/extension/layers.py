"""Our operators as hls4ml layers: classes, templates that print their C++, and their registration."""

from __future__ import annotations

from functools import cache

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.layers import Layer, register_layer

from hwgen import resources
from hwgen.backends.hls4ml.extension.spec import Spec, call, config_struct


class HwgenLayer(Layer):
    """A layer that is all in its attributes: `spec` (a Spec) and `result_precision` (string or hls4ml precision).

    Parameters and tables are members of the config struct in firmware/parameters.h, so HLS sees constants.
    """

    def initialize(self) -> None:
        spec: Spec = self.attributes["spec"]
        self.add_output_variable(list(spec.shape), precision=self._precision(self.attributes["result_precision"]))

    def _precision(self, given: object):
        return self.model.config.backend.convert_precision_string(given) if isinstance(given, str) else given


class HwgenRequantize(HwgenLayer):
    """See requantize.py and nnet_hwgen_requantize.h."""


class HwgenMul(HwgenLayer):
    """See mul.py and nnet_hwgen_mul.h."""


class HwgenLookup(HwgenLayer):
    """See lookup.py and nnet_hwgen_lookup.h."""


class HwgenLayerNorm(HwgenLayer):
    """See layernorm.py and nnet_hwgen_layernorm.h."""


class HwgenSoftmax(HwgenLayer):
    """See softmax.py and nnet_hwgen_softmax.h."""


class HwgenMaxPool(HwgenLayer):
    """See pool.py and nnet_hwgen_pool.h."""


class HwgenSumPool(HwgenLayer):
    """See pool.py and nnet_hwgen_pool.h."""


class HwgenSlice(HwgenLayer):
    """See slicing.py and nnet_hwgen_slice.h."""


LAYERS = (
    HwgenRequantize, HwgenMul, HwgenLookup, HwgenLayerNorm, HwgenSoftmax, HwgenMaxPool, HwgenSumPool, HwgenSlice,
)  # fmt: skip


class ConfigTemplate(LayerConfigTemplate):
    """Prints the config struct of any of our layers."""

    def __init__(self):
        super().__init__(LAYERS)

    def format(self, node: Layer) -> str:
        io = node.model.config.get_config_value("IOType")
        return config_struct(node.get_attr("spec"), f"config{node.index}", io, node.get_attr("reuse_factor") or 1)


class FunctionTemplate(FunctionCallTemplate):
    """Prints the call of any of our layers."""

    def __init__(self):
        super().__init__(LAYERS)

    def transform(self, model, node: Layer) -> bool:
        self.include_header = [f"nnet_utils/{node.get_attr('spec').header}"]
        return super().transform(model, node)

    def format(self, node: Layer) -> str:
        variables = [*map(node.get_input_variable, node.inputs), node.get_output_variable()]
        types, names = [v.type.name for v in variables], [v.name for v in variables]
        return call(node.get_attr("spec"), f"config{node.index}", types, names)


@cache
def register() -> None:
    """Make hls4ml's Vitis backend know our layers and copy our headers into projects. Calling it again does nothing."""
    vitis = get_backend("Vitis")
    for layer in LAYERS:
        register_layer(layer.__name__, layer)
    vitis.register_template(ConfigTemplate)
    vitis.register_template(FunctionTemplate)
    for header in sorted(resources.path("hls_templates", "hls4ml", "nnet_utils").glob("*.h")):
        vitis.register_source(header.resolve())
