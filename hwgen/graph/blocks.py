"""Blocks of layers - attention, transformers, FiLM, residual blocks - written once, for whatever chooses the scales.

    class Net(Blocks): ...                  # gives linear, conv, quantize, ... and with them weights and scales
    x = net.patches("image", 192, 16, "embed", class_token=True)
    x = net.transformer_block(x, "block0", heads=3, hidden=768)

`hwgen.graph.net.Net` is such a class: random weights, and scales from a batch of random inputs. A class that reads a
checkpoint and takes its scales from calibration gets the same blocks. Tokens are [T, C], images [C, H, W], sequences
of convolutions [C, T]; every method takes tensor names and returns one. `key` names parameters, nodes are named after
it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.errors import GraphError
from hwgen.graph.builder import GraphBuilder
from hwgen.graph.scaling import quantize_array
from hwgen.graph.types import IntType

NORM_STEP = 2.0**-5
"""Scale of a norm's int8 output: a normal distribution saturates beyond 4 standard deviations."""
COORDINATE_STEP = 2.0**-6
"""Scale of spatial softmax's coordinates, which reach from -1 to 1: both are whole numbers of it."""


class Blocks:
    """Blocks over the layers that a subclass gives.

    These are, with the signatures of `hwgen.graph.net.Net`: linear, conv, conv_transpose, quantize, dense, activated,
    activation, layernorm; reshape, transpose, slice, concat; shape, real, format, affine, table, emit, name.

    b: the builder. step: goes before the names of nodes, where a loop is unrolled (see steps.py).
    """

    def __init__(self, b: GraphBuilder):
        self.b, self.step = b, ""
        self.made: dict[str, str] = {}

    # -- operators that have no weights ------------------------------------------------------------------------

    def matmul(self, a: str, b: str, key: str) -> str:
        """a[..., i, k] times b[..., k, j] -> accumulator."""
        return self.emit(self.b.matmul(a, b, name=self.name(key)))

    def softmax(self, x: str, key: str, gain: float = 1.0) -> str:
        """softmax(x * gain) over the last axis as uint8, scale 1/256."""
        return self.emit(self.b.softmax(x, gain=gain, name=self.name(key)))

    def groupnorm(self, x: str, groups: int, key: str, eps: float = 1e-5, relu: bool = False) -> str:
        """GroupNorm of x[C, *space]; relu: negative results become 0."""
        gamma, beta = self.affine(key, self.shape(x)[0])
        form = {"signed": not relu, "scale": NORM_STEP}
        return self.emit(self.b.groupnorm(x, groups, gamma, beta, eps, **form, name=self.name(key)))

    def mul(self, a: str, b: str, key: str) -> str:
        """a * b, broadcast, as 8-bit integers (gates)."""
        return self.emit(self.b.mul(a, b, **self.format(key, self.real(a) * self.real(b)), name=self.name(key)))

    def constant(self, real: np.ndarray, key: str, like: str | None = None) -> str:
        """Real numbers that every observation shares; like: a tensor whose type and scale they get."""
        if like:
            t = self.b.tensor(like)
            form = {"bits": t.dtype.bits, "signed": t.dtype.signed, "scale": t.scale}
        else:
            form = self.format(key, real)
        lo, hi = IntType(form.get("bits", 8), form["signed"]).bounds()
        ints = quantize_array(real, form["scale"], lo, hi)
        return self.emit(self.b.constant(ints, **form, name=self.name(key)))

    def join(self, xs: list[str], axis: int, key: str) -> str:
        """Tensors of any scales side by side: those of another type or scale are rounded to a common one."""
        form = self.format(key, np.concatenate([self.real(x).ravel() for x in xs]))
        kind, parts = IntType(form.get("bits", 8), form["signed"]), []
        for i, x in enumerate(xs):
            t = self.b.tensor(x)
            same = t.dtype == kind and t.scale == form["scale"]
            parts.append(x if same else self.emit(self.b.requantize(x, **form, name=self.name(f"{key}.{i}"))))
        return self.concat(parts, axis, key)

    def mean(self, x: str, key: str) -> str:
        """x[C, *space] -> the mean over all positions, [C]."""
        acc = self.emit(self.b.sumpool(x, name=self.name(f"{key}.sum")))
        count = float(np.prod(self.shape(x)[1:]))
        return self.reshape(self.quantize(acc, f"{key}.q", gain=1 / count), self.shape(x)[:1], key)

    def once(self, key: str, make: Callable[[], str]) -> str:
        """What no step of a loop changes: made at the first call, without the step's name, and found again later."""
        if key not in self.made:
            step, self.step = self.step, ""
            self.made[key] = make()
            self.step = step
        return self.made[key]

    # -- attention ---------------------------------------------------------------------------------------------

    def attention(self, x: str, key: str, heads: int, memory: str | None = None, kv_heads: int | None = None,
                  width: int | None = None, residual: str | None = None) -> str:  # fmt: skip
        """Multi-head attention of x[T, C] over itself or memory[S, C'], projected back to C [+ residual].

        kv_heads: fewer heads of keys and values than of queries (grouped-query attention). width: of all heads
        together (default C). Raises GraphError when the numbers of heads do not divide.
        """
        channels, kv_heads, memory = self.shape(x)[-1], kv_heads or heads, memory or x
        width = width or channels
        if width % heads or heads % kv_heads:
            raise GraphError(f"attention {key!r}: {heads} heads must divide the width {width}, and {kv_heads} heads of "
                             "keys the heads; change one of them")  # fmt: skip
        q = self.dense(x, width, f"{key}.query")
        k, v = (self.dense(memory, width // heads * kv_heads, f"{key}.{part}") for part in ("key", "value"))
        y = self.dot_product(q, k, v, key, heads, kv_heads)
        return self.dense(y, channels, f"{key}.out", residual=residual)

    def dot_product(self, q: str, k: str, v: str, key: str, heads: int, kv_heads: int | None = None) -> str:
        """softmax(q k^T / sqrt(d)) v for each head: q[T, heads * d], k and v[S, kv_heads * d] -> [T, heads * d]."""
        rows, width = self.shape(q)
        d, kv_heads = width // heads, kv_heads or heads
        q = self.reshape(self.split_heads(q, heads, f"{key}.queries"), (kv_heads, -1, d), f"{key}.groups")
        k = self.transpose(self.split_heads(k, kv_heads, f"{key}.keys"), (0, 2, 1), f"{key}.keys.t")
        v = self.split_heads(v, kv_heads, f"{key}.values")
        logits = self.quantize(self.matmul(q, k, f"{key}.logits"), f"{key}.logits.q")
        share = self.softmax(logits, f"{key}.softmax", gain=d**-0.5)  # the table takes 1 / sqrt(d) without rounding
        y = self.quantize(self.matmul(share, v, f"{key}.mix"), f"{key}.mix.q")
        return self.merge_heads(self.reshape(y, (heads, rows, d), f"{key}.heads"), f"{key}.merge")

    def split_heads(self, x: str, heads: int, key: str) -> str:
        """[T, heads * d] -> [heads, T, d]."""
        rows, width = self.shape(x)
        split = self.reshape(x, (rows, heads, width // heads), f"{key}.split")
        return self.transpose(split, (1, 0, 2), key)

    def merge_heads(self, x: str, key: str) -> str:
        """[heads, T, d] -> [T, heads * d]."""
        heads, rows, d = self.shape(x)
        return self.reshape(self.transpose(x, (1, 0, 2), f"{key}.t"), (rows, heads * d), key)

    def map_pool(self, x: str, key: str, heads: int, queries: int = 1, hidden: int | None = None) -> str:
        """Attention pooling of x[S, C] by learned queries -> [queries, C]; hidden: then x + MLP(LayerNorm(x)).

        The queries are constant, so their product with the keys' weights is one matrix from C to heads * queries.
        """
        rows, channels = self.shape(x)
        logits = self.transpose(self.dense(x, heads * queries, f"{key}.query"), (1, 0), f"{key}.logits")
        share = self.reshape(self.softmax(logits, f"{key}.softmax"), (heads, queries, rows), f"{key}.shares")
        v = self.split_heads(self.dense(x, channels, f"{key}.value"), heads, f"{key}.values")
        y = self.merge_heads(self.quantize(self.matmul(share, v, f"{key}.mix"), f"{key}.mix.q"), f"{key}.merge")
        y = self.dense(y, channels, f"{key}.out")
        return self.mlp(self.layernorm(y, f"{key}.norm"), hidden, f"{key}.mlp", residual=y) if hidden else y

    # -- transformers ------------------------------------------------------------------------------------------

    def mlp(self, x: str, hidden: int, key: str, fn: str = "gelu", residual: str | None = None) -> str:
        """Two linear layers with a function between [+ residual]."""
        channels = self.shape(x)[-1]
        return self.dense(self.dense(x, hidden, f"{key}.fc1", fn), channels, f"{key}.fc2", residual=residual)

    def transformer_block(self, x: str, key: str, heads: int, hidden: int, fn: str = "gelu", memory: str | None = None,
                          kv_heads: int | None = None, norm: str = "pre") -> str:  # fmt: skip
        """x += attention; with memory: x += attention over memory; x += MLP. norm: "pre" (ViT) or "post" (ACT)."""
        if norm not in ("pre", "post"):
            raise GraphError(f"transformer block {key!r}: norm is {norm!r}; use 'pre' or 'post'")

        def sublayer(x: str, name: str, run: Callable[[str, str], str]) -> str:
            if norm == "pre":
                return run(self.layernorm(x, f"{key}.{name}.norm"), x)
            return self.layernorm(run(x, x), f"{key}.{name}.norm")

        x = sublayer(x, "self", lambda h, x: self.attention(h, f"{key}.self", heads, None, kv_heads, residual=x))
        if memory:
            x = sublayer(
                x, "cross", lambda h, x: self.attention(h, f"{key}.cross", heads, memory, kv_heads, residual=x)
            )
        return sublayer(x, "mlp", lambda h, x: self.mlp(h, hidden, f"{key}.mlp", fn, x))

    def patches(self, x: str, width: int, patch: int, key: str, class_token: bool = False) -> str:
        """An image as tokens [T, width] with positional embedding; class_token: one more, in front."""
        acc = self.conv(x, width, patch, f"{key}.conv", stride=patch)
        y = self.positional(acc, f"{key}.position")
        y = self.reshape(y, (width, -1), f"{key}.row")
        y = self.transpose(y, (1, 0), f"{key}.tokens")
        if not class_token:
            return y
        token = self.constant(self.table(f"{key}.class", (1, width), float(np.std(self.real(y)))), f"{key}.class", y)
        return self.concat([token, y], 0, key)

    def positional(self, x: str, key: str) -> str:
        """x + a learned table of the same shape; x: an accumulator, or any tensor."""
        spread = float(np.std(self.real(x))) / 4 or 1.0
        table = self.constant(self.table(key, self.shape(x), spread), f"{key}.table")
        return self.quantize(x, f"{key}.q", residual=table)

    # -- conditioning ------------------------------------------------------------------------------------------

    def film(self, x: str, gamma: str, beta: str, key: str, fn: str = "") -> str:
        """fn(x * gamma + beta), the sum rounded once; gamma and beta broadcast to x."""
        acc = self.emit(self.b.product(x, gamma, name=self.name(f"{key}.product")))
        y = self.quantize(acc, f"{key}.q", residual=beta, positive=fn == "relu")
        return y if fn in ("", "relu") else self.activation(y, fn, f"{key}.{fn}")

    def modulation(self, cond: str, channels: int, shape: tuple[int, ...], key: str,
                   bias: np.ndarray | None = None) -> tuple[str, str]:  # fmt: skip
        """(1 + gamma, beta) of this shape, each from a linear layer of cond[D].

        The layers are computed once for all steps of a loop; bias: what the step adds, real [2, channels].
        """
        bias = np.zeros((2, channels)) if bias is None else bias

        def part(i: int, name: str) -> str:
            base = self.once(f"{key}.{name}", lambda: self.dense(cond, channels, f"{key}.{name}"))
            y = self.quantize(base, f"{key}.{name}.step", bias=bias[i] + (i == 0))
            return self.reshape(y, shape, f"{key}.{name}.row")

        return part(0, "gamma"), part(1, "beta")

    def adaln(self, x: str, cond: str, key: str, bias: np.ndarray | None = None) -> str:
        """LayerNorm(x) * (1 + gamma) + beta for x[T, C], with gamma and beta from cond[D] (DiT)."""
        channels = self.shape(x)[-1]
        gamma, beta = self.modulation(cond, channels, (1, channels), key, bias)
        return self.film(self.layernorm(x, f"{key}.norm"), gamma, beta, key)

    # -- convolutions ------------------------------------------------------------------------------------------

    def spatial_softmax(self, x: str, key: str, gain: float = 1.0) -> str:
        """Where each channel of x[C, H, W] is largest: expected (x, y), within -1 and 1, as [2 * C]."""
        channels, height, width = self.shape(x)
        share = self.softmax(self.reshape(x, (channels, height * width), f"{key}.rows"), f"{key}.softmax", gain)
        y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        where = np.round(np.stack([x.ravel(), y.ravel()], axis=1) / COORDINATE_STEP).astype(np.int8)
        acc = self.emit(self.b.linear(share, where, COORDINATE_STEP, name=self.name(f"{key}.expect")))
        return self.reshape(self.quantize(acc, f"{key}.q"), (2 * channels,), key)

    def basic_block(self, x: str, out: int, key: str, stride: int = 1, groups: int | None = None) -> str:
        """ResNet's block of two 3x3 convolutions; groups: of GroupNorm (without: batch norm, folded)."""
        y = self.normed(self.conv(x, out, 3, f"{key}.conv1", stride, 1), f"{key}.norm1", groups, relu=True)
        y = self.conv(y, out, 3, f"{key}.conv2", 1, 1)
        if stride != 1 or self.shape(x)[0] != out:
            x = self.normed(self.conv(x, out, 1, f"{key}.down", stride), f"{key}.norm_down", groups)
        y = self.normed(y, f"{key}.norm2", groups) if groups else y
        return self.quantize(y, f"{key}.sum", residual=x, positive=True)

    def normed(self, acc: str, key: str, groups: int | None, relu: bool = False) -> str:
        """A convolution's accumulator as 8-bit integers [GroupNorm] [ReLU]."""
        if not groups:
            return self.quantize(acc, f"{key}.q", relu=relu)
        return self.groupnorm(self.quantize(acc, f"{key}.q"), groups, key, relu=relu)

    def conv_block(self, x: str, out: int, key: str, kernel: int = 5, groups: int = 8, fn: str = "mish") -> str:
        """Conv1D, GroupNorm, function over x[C, T] (Diffusion Policy)."""
        acc = self.conv(x, out, kernel, f"{key}.conv", pad=kernel // 2)
        return self.activation(self.normed(acc, f"{key}.norm", groups), fn, f"{key}.{fn}")

    def film_block(self, x: str, cond: str, out: int, key: str, kernel: int = 5, groups: int = 8, fn: str = "mish",
                   bias: np.ndarray | None = None) -> str:  # fmt: skip
        """Diffusion Policy's residual block over x[C, T]: conv block, FiLM from cond[D], conv block, + x.

        bias: what the step of a loop adds to (gamma, beta), real [2, out].
        """
        gamma, beta = self.modulation(cond, out, (out, 1), f"{key}.film", bias)
        y = self.film(self.conv_block(x, out, f"{key}.block1", kernel, groups, fn), gamma, beta, f"{key}.film")
        y = self.conv_block(y, out, f"{key}.block2", kernel, groups, fn)
        if self.shape(x)[0] != out:
            return self.quantize(self.conv(x, out, 1, f"{key}.skip"), f"{key}.sum", residual=y)
        return self.quantize(y, f"{key}.sum", residual=x)

    def upsample(self, x: str, key: str) -> str:
        """Twice as many positions of x[C, T], by a transposed convolution of 4 taps."""
        return self.quantize(self.conv_transpose(x, self.shape(x)[0], 4, key, stride=2, pad=1), f"{key}.q")
