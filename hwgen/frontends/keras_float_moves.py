"""Float Keras: pooling, and what only moves: Reshape, Flatten, Permute, Concatenate, slices, padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.frontends.keras_float_layers import image, pads
from hwgen.frontends.keras_tensors import Reader, Seen

if TYPE_CHECKING:
    from hwgen.frontends.keras_float import Call


def same(r: Reader, call: Call) -> Seen:
    """What does nothing after training"""
    return call.tensors[0]


def pool(r: Reader, call: Call) -> Seen:
    """MaxPooling and AveragePooling"""
    layer = call.layer
    x, space = image(r, layer, call.tensors[0])
    mean = type(layer).__name__.startswith("Average")
    padding = pads(layer, space, layer.pool_size)
    if mean and any(padding):
        raise UnsupportedError("its means leave the padding out; use padding 'valid'")
    make = r.net.avgpool if mean else r.net.maxpool
    kernel, stride = tuple(layer.pool_size), tuple(layer.strides)
    return r.made(make(x.name, kernel=kernel, name=r.fresh(layer.name), stride=stride, pads=padding), True)


def global_pool(r: Reader, call: Call) -> Seen:
    """GlobalAveragePooling and GlobalMaxPooling"""
    layer = call.layer
    x, space = image(r, layer, call.tensors[0])
    mean = "Average" in type(layer).__name__
    name = r.fresh(layer.name)
    made = r.made(r.net.avgpool(x.name, name) if mean else r.net.maxpool(x.name, space, name), True)
    return made if layer.keepdims else r.reshaped(made, (x.shape[-1],))


def reshape(r: Reader, call: Call) -> Seen:
    """Reshape, Flatten, ExpandDims, Squeeze"""
    return r.reshaped(call.tensors[0], call.shapes[0])


def permute(r: Reader, call: Call) -> Seen:
    """Permute and Transpose"""
    layer, x = call.layer, r.plain(call.tensors[0])
    axes = getattr(layer, "dims", None) or getattr(layer, "axes", None)
    axes = tuple(range(len(x.shape) + 1))[::-1] if axes is None else tuple(axes)
    if type(layer).__name__ != "Permute":
        if axes[0] != 0:
            raise UnsupportedError("it moves the batch axis; keep it in front")
        axes = axes[1:]
    perm = tuple(a % (len(x.shape) + 1) - 1 for a in axes)
    name = r.net.transpose(x.name, perm, r.fresh(layer.name))
    return Seen(name, tuple(x.shape[p] for p in perm))


def concatenate(r: Reader, call: Call) -> Seen:
    """Concatenate"""
    layer, xs = call.layer, r.aligned(call.tensors)
    axis = layer.axis if layer.axis < 0 else layer.axis - len(xs[0].shape) - 1
    if xs[0].first:
        axis = -len(xs[0].shape) if axis == -1 else axis + 1
    return r.made(r.net.concat([x.name for x in xs], axis, r.fresh(layer.name)), xs[0].first)


def get_item(r: Reader, call: Call) -> Seen:
    """x[:, 0], x[:, 2:8], x[..., None] and the like"""
    x, key = r.plain(call.tensors[0]), list(call.given.values())[1]
    key = [k for k in (key if isinstance(key, (list, tuple)) else [key]) if k is not None]
    if Ellipsis in key:
        at = key.index(Ellipsis)
        key[at : at + 1] = [slice(None)] * (len(x.shape) + 2 - len(key))
    if any(not isinstance(k, (int, slice)) for k in key) or not key or key[0] != slice(None):
        raise UnsupportedError("it takes more than numbers and forward slices behind the batch axis; use those")
    for axis, k in enumerate(key[1:]):
        k = slice(k, k + 1 or None) if isinstance(k, int) else k
        x = _cut(r, x, axis, *k.indices(x.shape[axis]), call.layer.name)
    return r.reshaped(x, call.shapes[0])


def cropping(r: Reader, call: Call) -> Seen:
    """Cropping1D and Cropping2D"""
    layer = call.layer
    x, space = image(r, layer, call.tensors[0])
    for axis, (before, behind) in enumerate(_pairs(layer.cropping)):
        x = _cut(r, x, axis, before, space[axis] - behind, 1, layer.name)
    return x


def padding(r: Reader, call: Call) -> Seen:
    """ZeroPadding1D and ZeroPadding2D, by a part of a concatenation on each side"""
    layer = call.layer
    x, _ = image(r, layer, call.tensors[0])
    for axis, sizes in enumerate(_pairs(layer.padding)):
        parts = [x.name]
        for at, size in zip((0, len(parts) + 1), sizes, strict=True):
            if size:
                shape = list(r.net.shape(x.name))
                shape[axis + 1] = size
                parts.insert(at, r.net.constant(np.zeros(shape), r.fresh(f"{layer.name}.zeros")))
        if len(parts) > 1:
            x = r.made(r.net.concat(parts, axis + 1, r.fresh(layer.name)), True)
    return x


def _pairs(sizes) -> list[tuple[int, int]]:
    """(before, behind) of each axis: Keras keeps those of one axis without a list around."""
    return [tuple(sizes)] if isinstance(sizes[0], int) else [tuple(pair) for pair in sizes]


def _cut(r: Reader, x: Seen, axis: int, start: int, stop: int, step: int, name: str) -> Seen:
    """x[start:stop:step] along one of Keras' axes that is not the channels of a tensor with channels first."""
    if step < 1 or len(range(start, stop, step)) < 1:
        raise UnsupportedError(f"its slice {start}:{stop}:{step} is empty or runs backwards; take another")
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    return r.made(r.net.slice(x.name, axis + x.first, start, stop, r.fresh(name), step), x.first)


NOTHING = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout",
           "ActivityRegularization", "Identity")  # fmt: skip
HANDLERS = {
    **dict.fromkeys(NOTHING, same), **dict.fromkeys(("Reshape", "Flatten", "ExpandDims", "Squeeze"), reshape),
    **dict.fromkeys(("Permute", "Transpose"), permute), "Concatenate": concatenate, "GetItem": get_item,
    **{f"{kind}Pooling{n}D": pool for kind in ("Max", "Average") for n in (1, 2)},
    **{f"Global{kind}Pooling{n}D": global_pool for kind in ("Max", "Average") for n in (1, 2)},
    **{f"{kind}{n}D": make for kind, make in (("Cropping", cropping), ("ZeroPadding", padding)) for n in (1, 2)},
}  # fmt: skip
