"""Float Keras files: the float network equals Keras within 1e-4; what cannot be mapped is listed; code is never run."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from hwgen.cli import app
from hwgen.errors import HwgenError, InputError, UnsupportedError
from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden, qonnx_in
from hwgen.quantize.post import Options, quantize
from tests.rtl.engine.support import network_engine, package
from tests.support import cases

pytestmark = [pytest.mark.policy, pytest.mark.xdist_group("keras")]


def keras_layers():
    import keras

    return keras, keras.layers


def mlp():
    """A Sequential with the usual norms, functions and a learnt normalization of its input"""
    keras, k = keras_layers()
    first = k.Normalization(mean=[0.5, 1, -1, 0, 2, 0.1], variance=[1, 4, 0.25, 1, 9, 2])
    middle = [k.Dense(12, activation="gelu"), k.LayerNormalization(), k.Dense(12, activation="hard_silu"),
              k.RMSNormalization(), k.Dropout(0.3), k.Dense(12), k.BatchNormalization(), k.LeakyReLU(0.2)]  # fmt: skip
    return keras.Sequential([keras.Input((6,)), first, *middle, k.Dense(4, activation="tanh")])


def resnet():
    """Residual blocks over a picture of bytes, its head a dense layer"""
    keras, k = keras_layers()
    image = keras.Input((17, 14, 3), name="image", dtype="uint8")
    x = k.Rescaling(1 / 127.5, offset=-1)(image)
    x = k.MaxPooling2D(2)(k.ReLU(6.0)(k.BatchNormalization()(k.Conv2D(6, 5, strides=2, padding="same")(x))))
    y = k.GroupNormalization(3)(k.Conv2D(6, 3, padding="same", use_bias=False)(x))
    x = k.Activation("relu")(k.Add()([x, y]))
    gate = k.Dense(6, activation="sigmoid")(k.GlobalAveragePooling2D(keepdims=True)(x))
    x = k.Multiply()([x, gate])
    return keras.Model(image, k.Dense(5)(k.Flatten()(x)))


def mobile():
    """Depthwise and separable convolutions, paddings, a dense layer over pixels, two results"""
    keras, k = keras_layers()
    image = keras.Input((9, 8, 2), name="image")
    x = k.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(k.ZeroPadding2D(((0, 1), (2, 1)))(image))
    x = k.SeparableConv2D(6, 3, padding="same", strides=2, activation="swish")(x)
    x = k.Concatenate()(
        [k.Dense(4, activation="softplus")(x), k.Cropping2D(((0, 0), (1, 0)))(k.ZeroPadding2D(((0, 0), (1, 0)))(x))]
    )
    x = k.Conv2D(4, 3, dilation_rate=2, groups=2, padding="same")(x)
    return keras.Model(image, [k.GlobalMaxPooling2D()(x), k.AveragePooling2D(2)(x)])


def vit():
    """Patches, attention of tokens to themselves with values of another width, operators instead of layers"""
    keras, k = keras_layers()
    image = keras.Input((8, 12, 3), name="image")
    x = k.Reshape((6, 10))(k.Conv2D(10, 4, strides=4)(image))
    for i in range(2):
        h = k.LayerNormalization(epsilon=1e-6)(x)
        x = x + k.MultiHeadAttention(2, 5, value_dim=3 + i, dropout=0.1, name=f"attention{i}")(h, h)
        h = k.Dense(20, activation=lambda_free_gelu())(k.LayerNormalization()(x))
        x = x + k.Dense(10)(h) * 0.5
    x = keras.ops.maximum(x**2, 0.1) - keras.ops.gelu(x[:, -1][:, None])
    return keras.Model(image, k.Dense(4)(x[..., 0]))


def lambda_free_gelu():
    """A function that Keras saves by its name"""
    return keras_layers()[0].activations.gelu


def decoder():
    """Cross-attention of queries to a memory; a model inside the model, used twice"""
    keras, k = keras_layers()
    memory, query = keras.Input((7, 8), name="memory"), keras.Input((3, 6), name="query")
    inner = keras.Sequential([keras.Input((3, 6)), k.Dense(6, activation="mish"), k.LayerNormalization()], name="inner")
    x = k.Add()([query, k.MultiHeadAttention(2, 4, use_bias=False, output_shape=6)(query, memory)])
    return keras.Model([memory, query], k.Softmax()(inner(k.Average()([inner(x), x]))))


def unet():
    """1-D convolutions and their transposes, FiLM, GroupNorm"""
    keras, k = keras_layers()
    sample, condition = keras.Input((8, 4), name="sample"), keras.Input((6,), name="condition")
    x = k.Activation("mish")(k.GroupNormalization(4)(k.Conv1D(8, 5, padding="same")(sample)))
    gain, offset = (k.Reshape((1, 8))(k.Dense(8)(condition)) for _ in range(2))
    x = k.Add()([k.Multiply()([x, gain]), offset])
    y = k.Conv1D(8, 3, strides=2, padding="causal")(x)
    y = k.GroupNormalization(-1)(k.DepthwiseConv1D(3, padding="same")(k.SeparableConv1D(8, 3, padding="same")(y)))
    y = k.Concatenate(axis=-1)([k.Conv1DTranspose(8, 4, strides=2, padding="same", activation="relu")(y), x])
    return keras.Model([sample, condition], k.Conv1D(4, 1)(k.MaxPooling1D(3, strides=1, padding="same")(y)))


MODELS = {f.__name__: f for f in (mlp, resnet, mobile, vit, decoder, unet)}


def stirred(model, rng: np.random.Generator):
    """The model with weights and statistics that no initializer gives."""
    for v in model.weights:
        if "seed" not in v.path and "float" in v.dtype and "normalization/mean" not in v.path:
            moved = np.asarray(v) + rng.normal(0, 0.2, v.shape)
            v.assign(np.abs(moved) + 0.3 if "variance" in v.path else moved)
    return model


def input_name(tensor) -> str:
    """The name of the layer that stands for an input: what a file keeps, also where nobody gave one."""
    return tensor._keras_history.operation.name


def batch(model, rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Inputs as Keras takes them."""
    found = {}
    for t in model.inputs:
        shape = (count, *t.shape[1:])
        real = rng.integers(0, 256, shape) if t.dtype == "uint8" else rng.normal(0, 1, shape)
        found[input_name(t)] = real.astype(np.float32)
    return found


def ours(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pictures with their channels in front."""
    return {k: np.moveaxis(v, -1, 1) if v.ndim == 4 else v for k, v in inputs.items()}


def results(model, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What Keras computes."""
    made = model([inputs[input_name(t)].astype(t.dtype) for t in model.inputs])
    return [np.asarray(y, np.float64) for y in (made if isinstance(made, (list, tuple)) else [made])]


def turned(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A result in Keras' layout."""
    return found if found.shape == wanted.shape else np.moveaxis(found, 1, -1)


@pytest.mark.parametrize("name", MODELS)
def test_the_float_network_computes_what_keras_does(name, rng, tmp_path):
    from hwgen.frontends.keras_float import load

    model = stirred(MODELS[name](), rng)
    model.save(tmp_path / "model.keras")
    inputs = batch(model, rng, 5)
    found, wanted = load(tmp_path / "model.keras").run(ours(inputs)), results(model, inputs)
    assert len(found) == len(wanted)
    for got, want in zip(found.values(), wanted, strict=True):
        assert np.abs(turned(got, want) - want).max() < 1e-4 * max(1, np.abs(want).max())
        assert want.std() > 1e-2, "a network that gives one value shows nothing"


@pytest.mark.parametrize("name", cases(["vit"], list(MODELS)))
def test_quantize_takes_a_float_file(name, rng, tmp_path):
    model = stirred(MODELS[name](), rng)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "seen.npz", **ours(batch(model, rng, 48)))
    asked = ["quantize", "model.keras", "--calibration", "seen.npz", "-o", "q.onnx"]
    result = CliRunner().invoke(app, [str(tmp_path / w) if "." in w else w for w in asked])
    assert result.exit_code == 0, result.output
    assert "SQNR dB" in result.output
    graph, inputs = qonnx_in.load(tmp_path / "q.onnx"), batch(model, rng, 16)
    got = golden.dequantize_outputs(graph, golden.run(graph, golden.quantize_inputs(graph, ours(inputs))))
    for y, want in zip(got.values(), results(model, inputs), strict=True):
        assert 0 < np.square(turned(y, want) - want).mean() < 0.1 * np.square(want).mean()


@pytest.mark.rtl
def test_the_rtl_computes_what_golden_does(rng, tmp_path):
    """All models, or one that the seed draws."""
    from hwgen.frontends.keras_float import to_network

    config, code, library = network_engine(8, 8)
    for name in cases([str(rng.choice(list(MODELS)))], list(MODELS)):
        model = stirred(MODELS[name](), rng)
        graph = quantize(to_network(model), ours(batch(model, rng, 32)), Options()).graph
        inputs = golden.quantize_inputs(graph, ours(batch(model, rng, 4)))
        design, pkg = package(graph, config, code, tmp_path)
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        for y, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[y], want), name
        assert set(result.latency.tolist()) == {design.timing.latency}, name


def test_pictures_with_channels_last_are_told_how_to_turn(tmp_path):
    mobile().save(tmp_path / "model.keras")
    np.savez(tmp_path / "seen.npz", image=np.ones((4, 9, 8, 2), np.float32))
    asked = ["quantize", "model.keras", "--calibration", "seen.npz", "-o", "q.onnx"]
    result = CliRunner().invoke(app, [str(tmp_path / w) if "." in w else w for w in asked])
    assert "(4, 9, 8, 2); give [N, 2, 9, 8], its channels first: numpy.moveaxis(x, -1, 1)" in str(result.exception)


def test_a_float_file_needs_data(tmp_path):
    mlp().save(tmp_path / "model.keras")
    result = CliRunner().invoke(app, ["quantize", str(tmp_path / "model.keras"), "-o", str(tmp_path / "q.onnx")])
    assert isinstance(result.exception, InputError) and "is a float model: give recorded" in str(result.exception)


def test_all_that_cannot_be_mapped_is_listed():
    from hwgen.frontends.keras_float import to_network

    keras, k = keras_layers()
    x = keras.Input((6, 4), name="x")
    made = k.MultiHeadAttention(1, 4, name="masked")(x, x, use_causal_mask=True)
    lower = k.MultiHeadAttention(1, 4, name="lower")(x, x, attention_mask=np.tri(6)[None] > 0)
    other = k.LayerNormalization(axis=1, name="rows")(k.LSTM(4, return_sequences=True, name="recurrent")(x))
    last = k.Conv1DTranspose(4, 3, dilation_rate=2, name="dilated")(x)
    with pytest.raises(UnsupportedError) as error:
        to_network(
            keras.Model(x, [k.Softmax(axis=1, name="s")(x), made, lower, other, last, k.Dense(2, "glu", name="d")(x)])
        )
    text = str(error.value)
    assert "6 problems" in text and "\n" not in text
    assert all(f"'{name}'" in text for name in ("masked", "lower", "recurrent", "dilated", "s", "d"))
    assert "'rows'" not in text, "what reads a broken layer is not to blame"


@pytest.mark.parametrize(
    "shape, dtype, part", [((None, 4), "float32", "dynamic axes [1]"), ((4,), "int32", "is int32")]
)
def test_inputs(shape, dtype, part):
    from hwgen.frontends.keras_float import to_network

    keras, k = keras_layers()
    x = keras.Input(shape, name="x", dtype=dtype)
    with pytest.raises(UnsupportedError, match="input 'x'") as error:
        to_network(keras.Model(x, k.Dense(2)(x)))
    assert part in str(error.value)


def test_models_that_tell_no_layers_and_outputs_that_are_inputs():
    from hwgen.frontends.keras_float import to_network

    keras, k = keras_layers()
    with pytest.raises(UnsupportedError, match="tells no layers before it runs"):
        to_network(keras.Sequential([k.Dense(4)]))
    x = keras.Input((4,), name="x")
    with pytest.raises(UnsupportedError, match="output 'x' .* is an input"):
        to_network(keras.Model(x, [x, k.Dense(2)(x)]))


def test_weights_that_are_no_numbers_are_named():
    from hwgen.frontends.keras_float import to_network

    model = mlp()
    for layer in (model.layers[1], model.layers[3]):
        layer.bias.assign(np.full(12, np.nan))
    with pytest.raises(UnsupportedError, match="2 problems") as error:
        to_network(model)
    text = str(error.value)
    assert all(layer.bias.path in text for layer in (model.layers[1], model.layers[3]))


def rewritten(source, target, change=lambda config: None, weights=lambda data: data) -> None:
    """A copy of a `.keras` file with another configuration or other weights."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                change(config)
                data = json.dumps(config)
            new.writestr(name, weights(data) if name.endswith(".h5") else data)


def test_code_in_a_file_is_not_run(tmp_path):
    from hwgen.frontends.keras_float import load

    keras, k = keras_layers()
    keras.Sequential([keras.Input((2,)), k.Lambda(lambda v: v * 2, name="mine"), k.Dense(2, name="d")]).save(
        tmp_path / "model.keras"
    )

    def plant(config: dict) -> None:
        bad = {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}
        config["config"]["layers"][2]["config"]["activation"] = bad

    rewritten(tmp_path / "model.keras", tmp_path / "bad.keras", plant)
    with pytest.raises(UnsupportedError) as error:
        load(tmp_path / "bad.keras")
    text = str(error.value)
    assert "2 problems" in text and "'mine' holds code (Lambda)" in text and "'d': os.system is not Keras' own" in text


def test_layers_whose_weights_do_not_fit_are_all_named(tmp_path):
    from hwgen.frontends.keras_float import load

    model = mlp()
    model.save(tmp_path / "model.keras")

    def spoil(weights: bytes) -> bytes:
        held = io.BytesIO(weights)
        with h5py.File(held, "r+") as file:
            for name in list(file["layers"])[1:3]:
                del file["layers"][name]["vars"]["0"]
        return held.getvalue()

    rewritten(tmp_path / "model.keras", tmp_path / "bad.keras", weights=spoil)
    with pytest.raises(InputError, match="bad.keras: not a readable .keras model .*weights do not fit") as error:
        load(tmp_path / "bad.keras")
    assert str(error.value).count("Dense name=") == 2 and "\n" not in str(error.value)


def test_files_that_are_none(tmp_path):
    from hwgen.frontends.keras_float import load

    mlp().save(tmp_path / "model.keras")
    whole = (tmp_path / "model.keras").read_bytes()
    rewritten(tmp_path / "model.keras", tmp_path / "odd.keras", lambda config: config.update(config=[]))
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.keras").write_text("no zip")
    for name in ("cut", "text", "odd"):
        with pytest.raises(HwgenError, match=f"{name}.keras: not a readable .keras model") as error:
            load(tmp_path / f"{name}.keras")
        assert "\n" not in str(error.value)
