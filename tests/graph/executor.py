"""QONNX's own executor, as the judge of what a model means."""

import warnings

import numpy as np
import onnx
import onnxruntime

onnxruntime.set_default_logger_severity(3)


def shaped(model: onnx.ModelProto):
    """The model as a ModelWrapper with the shapes that the executor needs; the given model stays as it is."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ModelWrapper(copy).transform(InferShapes())


def execute(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every edge of the model by name, as the executor computes it (float32)."""
    from qonnx.core.onnx_exec import execute_onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return execute_onnx(shaped(model), inputs, return_full_exec_context=True)
