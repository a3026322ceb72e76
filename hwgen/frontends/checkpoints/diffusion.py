"""LeRobot's Diffusion Policy: the encoder of a picture, and the 1-D U-Net with its loop.

Keys and meaning: Chi et al., arXiv:2303.04137; github.com/huggingface/lerobot, lerobot/policies/diffusion/
modeling_diffusion.py. Two networks. The host joins states and features of all observations to the condition.
"""

from __future__ import annotations

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.policy_files import IGNORED, PolicyFiles
from hwgen.frontends.checkpoints.resnet import ResNet
from hwgen.frontends.checkpoints.sampling import Sampler, Step
from hwgen.frontends.checkpoints.tensors import Dims, Tensors
from hwgen.frontends.checkpoints.weights import Weights, conv_keys, linear_keys, norm_keys
from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.steps import sinusoid
from hwgen.quantize.floats import FloatGraph, FloatNet

D, U = "diffusion.", "diffusion.unet."
TIME = f"{U}diffusion_step_encoder"
HORIZON, GROUPS = 16, 8


def is_diffusion(keys: set[str]) -> bool:
    """Whether a checkpoint with these keys is one."""
    return any(key.startswith(U) for key in keys)


def build(files: PolicyFiles) -> FloatGraph:
    """One part. encoder: a picture [3, H, W] of 0 to 1, cropped as in training -> features. unet: start [horizon,
    numbers], the condition and (DDPM) noise [steps, horizon, numbers] -> actions [horizon, numbers]. Raises InputError.
    """
    tensors = Tensors(files.file, files.stored, "Diffusion Policy")
    encoder = _encoder(tensors)
    wanted = unet_keys(tensors) | (encoder_keys(tensors, encoder) if encoder else {})
    net = FloatNet(f"diffusion-{files.part}")
    arrays = tensors.check(wanted, ("*.num_batches_tracked", f"{D}rgb_encoder.[1-9].*", *IGNORED))
    weights = Weights(arrays, net)
    if files.part == "unet":
        return _Unet(files, weights).build()
    if not encoder:
        raise InputError(f"{files.file} has no encoder of pictures; ask for :unet")
    return _features(files, weights, encoder)


# -- the encoder ---------------------------------------------------------------------------------------------------


def _encoder(tensors: Tensors) -> str:
    """The prefix of the (first camera's) encoder; "" without one."""
    for prefix in (f"{D}rgb_encoder", f"{D}rgb_encoder.0"):
        if tensors.has(f"{prefix}.backbone"):
            return prefix
    return ""


def _resnet(prefix: str, keys) -> ResNet:
    """The backbone is a list: 0 the first convolution, 1 its norm, 4 to 7 the stages."""
    at = f"{prefix}.backbone."
    return ResNet((f"{at}0", f"{at}1"), tuple(f"{at}{i}" for i in range(4, 8)), f"{at}1.running_mean" in keys)


def encoder_keys(tensors: Tensors, prefix: str) -> dict[str, Dims]:
    """Keys and shapes of the encoder."""
    backbone, pool, out = _resnet(prefix, tensors.stored), f"{prefix}.pool", f"{prefix}.out"
    points = tensors.size((f"{pool}.nets.weight", 0), (f"{pool}.nets.bias", 0))
    wide = None if points is None else 2 * points
    wanted = backbone.wanted(tensors) | linear_keys(out, wide, wide)
    wanted |= {f"{pool}.pos_grid": (tensors.size((f"{pool}.pos_grid", 0)), 2)}
    return wanted | conv_keys(f"{pool}.nets", points, tensors.size((f"{backbone.stages[3]}.0.conv1.weight", 0)), 1, 1)


def _features(files: PolicyFiles, weights: Weights, prefix: str) -> FloatGraph:
    """ResNet, spatial softmax (the place of each channel's largest values), linear layer."""
    net, pool = weights.net, f"{prefix}.pool"
    name, shape = next(iter(files.images().items()))
    crop = files.config.get("crop_shape")
    if isinstance(crop, list) and len(crop) == 2 and all(type(n) is int and 0 < n < 1 << 16 for n in crop):
        shape = (3, *crop)
    x = _resnet(prefix, weights.tensors).run(weights, files.picture(net, name, shape), "backbone")
    x = weights.conv(x, f"{pool}.nets", "pool.nets")
    grid = weights[f"{pool}.pos_grid"]
    points, *space = net.shape(x)
    if space[0] * space[1] != len(grid):
        raise InputError(f"{files.file}: pictures of {list(shape[1:])} end in {space[0]} x {space[1]} cells, but the "
                         f"policy has {len(grid)}; give crop_shape, or the pictures' size")  # fmt: skip
    x = net.softmax(net.reshape(x, (points, -1), "pool.cells"), "pool.softmax")
    x = net.reshape(net.linear(x, grid, None, "pool.places"), (-1,), "pool")
    net.output(net.table(weights.linear(x, f"{prefix}.out", "out"), "relu", "relu"), "features")
    return net.build()


# -- the U-Net -----------------------------------------------------------------------------------------------------


def unet_keys(tensors: Tensors) -> dict[str, Dims]:
    """Keys and shapes of the U-Net; widths are those of each level's first convolution."""

    def width(key: str) -> int | None:
        return tensors.size((f"{key}.conv1.block.0.weight", 0), (f"{key}.conv2.block.0.weight", 0))

    when = tensors.size((f"{TIME}.3.weight", 0), (f"{TIME}.1.weight", 1))
    four = None if when is None else 4 * when
    wanted = linear_keys(f"{TIME}.1", four, when) | linear_keys(f"{TIME}.3", when, four)
    action = tensors.size((f"{U}final_conv.1.weight", 0), (f"{U}down_modules.0.0.conv1.block.0.weight", 1))
    kernel = tensors.size((f"{U}final_conv.0.block.0.weight", 2), (f"{U}mid_modules.0.conv1.block.0.weight", 2))
    condition = tensors.size(
        (f"{U}mid_modules.0.cond_encoder.1.weight", 1), (f"{U}mid_modules.1.cond_encoder.1.weight", 1)
    )

    def block(key: str, into: int | None, out: int | None) -> None:
        for i, channels in ((1, into), (2, out)):
            wanted.update(conv_keys(f"{key}.conv{i}.block.0", out, channels, kernel))
            wanted.update(norm_keys(f"{key}.conv{i}.block.1", out))
        film = tensors.size((f"{key}.cond_encoder.1.weight", 0), (f"{key}.cond_encoder.1.bias", 0))
        film = film if out is not None and film == 2 * out else out  # scale and bias, or bias alone
        wanted.update(linear_keys(f"{key}.cond_encoder.1", film, condition))
        wanted.update(conv_keys(f"{key}.residual_conv", out, into, 1) if into != out else {})

    levels = [f"{U}down_modules.{i}" for i in range(tensors.count(f"{U}down_modules"))]
    widths = [width(f"{level}.0") for level in levels]
    for level, into, out in zip(levels, [action, *widths], widths, strict=False):
        block(f"{level}.0", into, out)
        block(f"{level}.1", out, out)
        wanted |= conv_keys(f"{level}.2", out, out, 3) if level != levels[-1] else {}
    for i in range(2):
        block(f"{U}mid_modules.{i}", widths[-1], widths[-1])
    for i, (out, into) in enumerate(zip(widths[-2::-1], widths[:0:-1], strict=True)):
        # LeRobot's block takes what comes from below, as wide as the level above it, and the skip.
        block(f"{U}up_modules.{i}.0", None if into is None else 2 * into, out)
        block(f"{U}up_modules.{i}.1", out, out)
        wanted |= {f"{U}up_modules.{i}.2.weight": (out, out, 4), f"{U}up_modules.{i}.2.bias": (out,)}
    wanted |= conv_keys(f"{U}final_conv.0.block.0", widths[0], widths[0], kernel)
    wanted |= norm_keys(f"{U}final_conv.0.block.1", widths[0])
    return wanted | conv_keys(f"{U}final_conv.1", action, widths[0], 1)


class _Unet:
    """The loop while it is built. What the condition adds to a block is computed once, what the time adds is a bias."""

    def __init__(self, files: PolicyFiles, weights: Weights):
        self.files, self.w, self.net = files, weights, weights.net
        self.groups, self.horizon = files.setting("n_groups", GROUPS), files.setting("horizon", HORIZON)
        self.levels = sum(key.startswith(f"{U}down_modules.") and key.endswith("0.conv1.block.0.bias") for key in
                          weights.tensors)  # fmt: skip
        self.width = len(weights[f"{TIME}.3.bias"])
        self.bases: dict[str, list[str]] = {}

    def build(self) -> FloatGraph:
        """The network."""
        net, files = self.net, self.files
        times = files.setting("num_train_timesteps", 100)
        sampler = Sampler(
            files.setting("noise_scheduler_type", "DDPM"), times, files.setting("num_inference_steps", times),
            files.setting("beta_schedule", "squaredcos_cap_v2"), files.setting("beta_start", 1e-4),
            files.setting("beta_end", 0.02), files.setting("prediction_type", "epsilon"),
        )  # fmt: skip
        limit = files.setting("clip_sample_range", 1.0) if files.setting("clip_sample", True) else 0.0
        try:
            table = sampler.table()
        except InputError as error:
            raise InputError(f"{files.file}: {error}; correct config.json") from None
        action, condition = (len(self.w[f"{U}final_conv.1.bias"]),
                             self.w[f"{U}mid_modules.0.cond_encoder.1.weight"].shape[1] - self.width)  # fmt: skip
        if condition < 1 or not 1 <= self.horizon <= 4096 or self.horizon % (1 << (self.levels - 1)):
            raise InputError(f"{files.file}: a horizon of {self.horizon} does not halve {self.levels - 1} times, or "
                             f"the condition is empty; correct config.json")  # fmt: skip
        x = net.transpose(net.input("start", (self.horizon, action)), (1, 0), "start.t")
        self.condition = net.table(net.input("condition", (condition,)), "mish", "condition.mish")
        noise = net.input("noise", (len(table), self.horizon, action)) if any(s.noise for s in table) else ""
        for i, step in enumerate(table):
            at = f"step{i}"
            x = self.advance(x, self.predict(x, step.time, at), step, limit, at)
            if step.noise:
                z = net.slice(noise, 0, i, i + 1, f"{at}.noise.row")
                z = net.transpose(net.reshape(z, (self.horizon, action), f"{at}.noise"), (1, 0), f"{at}.noise.t")
                x = net.add(x, net.affine(z, step.noise, 0.0, f"{at}.noise.scaled"), f"{at}.noisy")
        net.output(net.transpose(x, (1, 0), "actions.t"), "actions")
        return net.build()

    def advance(self, x: str, answer: str, step: Step, limit: float, at: str) -> str:
        """x' of a step, but for its noise."""
        clean = self.sum({x: step.from_x, answer: step.from_model}, f"{at}.clean")
        clean = self.net.clip(clean, -limit, limit, f"{at}.clipped") if limit else clean
        return self.sum({x: step.keep, answer: step.model, clean: step.clean}, f"{at}.x")

    def sum(self, terms: dict[str, float], name: str) -> str:
        """Tensors times factors; those of 0 are left out."""
        y = ""
        for i, (x, factor) in enumerate((x, f) for x, f in terms.items() if f):
            part = self.net.affine(x, factor, 0.0, f"{name}.part{i}")
            y = self.net.add(y, part, f"{name}.sum{i}") if y else part
        return y

    def predict(self, x: str, time: int, at: str) -> str:
        """The network's answer for x [numbers, horizon]."""
        net, w = self.net, self.w
        when = FUNCTIONS["mish"](self.embedding(time))
        skips = []
        for level in range(self.levels):
            key = f"{U}down_modules.{level}"
            for i in range(2):
                x = self.block(x, f"{key}.{i}", when, f"{at}.down{level}.{i}")
            skips.append(x)
            x = w.conv(x, f"{key}.2", f"{at}.down{level}.half", 2, 1) if level < self.levels - 1 else x
        for i in range(2):
            x = self.block(x, f"{U}mid_modules.{i}", when, f"{at}.mid.{i}")
        for level in range(self.levels - 1):
            key, name = f"{U}up_modules.{level}", f"{at}.up{level}"
            x = net.concat([x, skips.pop()], 0, f"{name}.join")
            for i in range(2):
                x = self.block(x, f"{key}.{i}", when, f"{name}.{i}")
            x = net.conv_transpose(x, w[f"{key}.2.weight"], w[f"{key}.2.bias"], f"{name}.double", stride=2, pads=1)
        x = self.conv_block(x, f"{U}final_conv.0", f"{at}.final")
        return w.conv(x, f"{U}final_conv.1", f"{at}.outlet")

    def embedding(self, time: int) -> np.ndarray:
        """What the blocks are told of the time, float64."""
        x = sinusoid(time, self.width)
        for i, fn in ((1, "mish"), (3, "identity")):
            x = FUNCTIONS[fn](x @ self.w[f"{TIME}.{i}.weight"].T.astype(np.float64) + self.w[f"{TIME}.{i}.bias"])
        return x

    def block(self, x: str, key: str, when: np.ndarray, name: str) -> str:
        """Two convolutions with FiLM between [+ a convolution of] x."""
        net, w, layer = self.net, self.w, f"{key}.cond_encoder.1"
        y = self.conv_block(x, f"{key}.conv1", f"{name}.conv1")
        channels, film = net.shape(y)[0], w[f"{layer}.weight"]
        if key not in self.bases:
            parts = [slice(i, i + channels) for i in range(0, len(film), channels)]
            flat = [net.linear(self.condition, film[part, self.width :].T, w[f"{layer}.bias"][part],
                               f"{key.removeprefix(U)}.film{i}") for i, part in enumerate(parts)]  # fmt: skip
            self.bases[key] = [net.reshape(part, (channels, 1), f"{part}.column") for part in flat]
        told = (film[:, : self.width].astype(np.float64) @ when).reshape(-1, channels)
        *scale, bias = (net.affine(base, 1.0, add, f"{name}.film{i}", axis=0)
                        for i, (base, add) in enumerate(zip(self.bases[key], told, strict=True)))  # fmt: skip
        y = net.mul(y, scale[0], f"{name}.scaled") if scale else y
        y = self.conv_block(net.add(y, bias, f"{name}.told"), f"{key}.conv2", f"{name}.conv2")
        skip = f"{key}.residual_conv"
        return net.add(y, w.conv(x, skip, f"{name}.skip") if f"{skip}.weight" in w.tensors else x, f"{name}.sum")

    def conv_block(self, x: str, key: str, name: str) -> str:
        """Convolution, GroupNorm, Mish."""
        kernel = self.w[f"{key}.block.0.weight"].shape[2]
        x = self.w.conv(x, f"{key}.block.0", f"{name}.conv", 1, kernel // 2)
        return self.net.table(
            self.w.groupnorm(x, f"{key}.block.1", self.groups, f"{name}.norm"), "mish", f"{name}.mish"
        )
