"""hls4ml layers -> the hls4ml project on disk: firmware, weights, scripts. The only module that imports hls4ml."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from hwgen.backends.hls4ml.mapped import HlsLayer, Mapped
from hwgen.errors import HwgenError, ToolError

VERSION = "1.3"
UNCERTAINTY = "27%"  # hls4ml's default for Vitis: what it leaves of the clock for routing


@dataclass(frozen=True)
class Setting:
    """How a layer is folded. strategy: hls4ml's, "Latency" (unrolled) or "Resource". reuse: its reuse factor. parallel:
    its parallelization factor, the positions of a convolution that are computed at once."""

    strategy: str = "Latency"
    reuse: int = 1
    parallel: int = 1


@dataclass(frozen=True)
class Port:
    """One input or output of the top function.

    name: of the C argument. type: its C++ type's name, of one element or (is_stream) of one packet. size: elements.
    """

    tensor: str
    name: str
    type: str
    size: int
    is_stream: bool


def hls4ml():
    """The hls4ml package. Raises ToolError when it is missing or another version."""
    try:
        import hls4ml
        import hls4ml.model.graph  # noqa: F401
    except ImportError as error:
        way_out = "run `make env`, or pip install 'hls4ml==1.3.0'"
        raise ToolError(f"hls4ml is missing from this Python ({error}): {way_out}") from None
    if not hls4ml.__version__.startswith(VERSION):
        raise ToolError(f"hls4ml {hls4ml.__version__} is installed, this backend is for {VERSION}: run `make env`")
    return hls4ml


def write(
    mapped: Mapped,
    settings: dict[str, Setting],
    out: Path,
    name: str,
    part: str,
    clock_mhz: float,
) -> tuple[list[Port], list[Port]]:
    """Write the project into `out`; returns the ports of the top function `name`, inputs and outputs.

    settings: by layer name. part: the board's. Raises HwgenError when hls4ml refuses, or makes something else.
    """
    package = hls4ml()
    from hwgen.backends.hls4ml import extension

    remove_old(out)
    with quiet() as log:
        extension.register()
        config = package.utils.config.create_config(
            output_dir=str(out), project_name=name, backend="Vitis", part=part,
            clock_period=round(1000 / clock_mhz, 3), clock_uncertainty=UNCERTAINTY, io_type=mapped.io,
        )  # fmt: skip
        config["HLSConfig"] = {"Model": model_config(settings), "LayerName": {}}
        for layer in mapped.layers:
            config["HLSConfig"]["LayerName"] |= layer_config(layer, settings.get(layer.name, Setting()))
        try:
            model = package.model.graph.ModelGraph.from_layer_list(
                config, [layer.as_dict() for layer in mapped.layers],
                [p.layer for p in mapped.inputs.values()], [p.layer for p in mapped.outputs.values()],
            )  # fmt: skip
            check(model, mapped, settings)
            model.write()
        except HwgenError:
            raise
        except Exception as error:  # hls4ml raises bare Exception
            said = " ".join(log.getvalue().split())[-300:]
            raise HwgenError(f"hls4ml refuses {mapped.graph.name!r}: {error} {said}".strip()) from error
    return (
        [port(t, v, mapped.io) for t, v in zip(mapped.inputs, model.get_input_variables(), strict=True)],
        [port(t, v, mapped.io) for t, v in zip(mapped.outputs, model.get_output_variables(), strict=True)],
    )


def model_config(settings: dict[str, Setting]) -> dict:
    """hls4ml's defaults for layers that it adds; no precision, so that a type left open is an error of hls4ml.

    One pipeline over everything (what "auto" gives small unrolled networks) would unroll a layer that shares
    multipliers, so with one of these the layers become processes of a dataflow.
    """
    shared = any(s.reuse > 1 for s in settings.values())
    return {"ReuseFactor": 1, "Strategy": "Latency", "PipelineStyle": "dataflow" if shared else "auto"}


def remove_old(out: Path) -> None:
    """Remove what an earlier project left in `out`: the firmware's hash must be of this one alone."""
    shutil.rmtree(out / "firmware", ignore_errors=True)
    for old in (*out.glob("hwgen_*_bridge.cpp"), *out.glob("hwgen_*_test.cpp")):
        old.unlink()


def layer_config(layer: HlsLayer, setting: Setting) -> dict[str, dict]:
    """The entries of hls4ml's LayerName for a layer, and for those that hls4ml may put before or behind it."""
    precision = {kind: str(t) for kind, t in layer.types.items()}
    own = {"Precision": precision, "ReuseFactor": setting.reuse, "Strategy": setting.strategy}
    own |= {"ParallelizationFactor": setting.parallel} if layer.kind.startswith("Conv") else {}
    result = {"Precision": {"result": precision["result"]}, "ReuseFactor": 1, "Strategy": "Latency"}
    return {layer.name: own, f"clone_{layer.name}": result}


def check(model, mapped: Mapped, settings: dict[str, Setting]) -> None:
    """Every layer must stand in the project with the types, strategy and reuse factor that were asked for."""
    for layer in mapped.layers:
        node = model.graph.get(layer.name)
        if node is None:
            continue  # a reshape that hls4ml found to be none
        for kind, want in layer.types.items():
            have = node.get_weights(kind).type if kind == "weight" else node.get_attr(f"{kind}_t")
            have = node.get_output_variable().type if kind == "result" else have
            have = getattr(have.precision, "definition_cpp", lambda p=have.precision: f"ap_{p}")()
            if have != str(want):
                raise HwgenError(f"hls4ml made {kind} of layer {layer.name!r} {have}, it must be {want}")
        setting = settings.get(layer.name, Setting())
        have = (node.get_attr("strategy"), node.get_attr("reuse_factor"), node.get_attr("parallelization_factor", 1))
        if layer.positions and have != (setting.strategy.lower(), setting.reuse, setting.parallel):
            raise HwgenError(f"hls4ml folded layer {layer.name!r} as {have}, it must be {setting}")


def port(tensor: str, variable, io: str) -> Port:
    return Port(tensor, variable.name, variable.type.name, variable.size(), io == "io_stream")


@contextlib.contextmanager
def quiet():
    """hls4ml prints and warns a lot; what it says is kept for errors. It also imports Keras, which takes seconds, to be
    ready for a Keras model in its configuration; without one it does as well without."""
    log, absent = io.StringIO(), "keras" not in sys.modules
    if absent:
        sys.modules["keras"] = None
    try:
        with contextlib.redirect_stdout(log), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield log
    finally:
        if absent:
            del sys.modules["keras"]
