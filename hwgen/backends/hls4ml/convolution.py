"""Convolutions for hls4ml, which has neither groups nor dilation: the kernel is filled with zeros instead.

A kernel with dilation d is the kernel with d - 1 zeros between its taps; a convolution with groups is one over all
channels whose weights are zero outside the group. Both give the same sums. Unrolled (strategy Latency), Vitis drops the
products with a constant zero; folded (strategy Resource), they take their place like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.graph import ops

AXES = (("width",), ("height", "width"))
SIDES = {"height": ("top", "bottom"), "width": ("left", "right")}


@dataclass(frozen=True)
class Window:
    """weight: int8 [*kernel, in, out]; stride and pads as in ops.Conv2D."""

    weight: np.ndarray
    stride: tuple[int, ...]
    pads: tuple[int, ...]


def window(node: ops.Conv, io: str) -> Window:
    """The kernel, stride and padding with which hls4ml computes a convolution of the graph in io_parallel or io_stream.

    Its stream of pixels counts no rows for a kernel of height 1 (nnet_conv2d_stream.h, `compute_output_buffer_1d`), so
    with a vertical stride the kernel gets a row of zeros, and the input a row of padding. (1 x 1 has another template.)
    """
    weight, pads = dilated(ungrouped(node.weight, node.groups), node.dilation), tuple(node.pads)
    n = weight.ndim - 2
    if io == "io_stream" and n == 2 and weight.shape[2] == 1 < weight.shape[3] and node.stride[0] > 1:
        weight = np.concatenate([weight, np.zeros_like(weight)], axis=2)
        pads = (*pads[:2], pads[2] + 1, pads[3])
    return Window(np.moveaxis(weight, (1, 0), (n, n + 1)), node.stride, pads)


def ungrouped(weight: np.ndarray, groups: int) -> np.ndarray:
    """[out, in / groups, *kernel] -> [out, in, *kernel], zero outside of each group."""
    if groups == 1:
        return weight
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    full = np.zeros((weight.shape[0], ins * groups, *weight.shape[2:]), weight.dtype)
    for g in range(groups):
        rows = slice(g * outs, (g + 1) * outs)
        full[rows, g * ins : (g + 1) * ins] = weight[rows]
    return full


def dilated(weight: np.ndarray, dilation: tuple[int, ...]) -> np.ndarray:
    """[out, in, *kernel] with zeros between the taps."""
    extent = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    full = np.zeros((*weight.shape[:2], *extent), weight.dtype)
    full[(slice(None), slice(None), *(slice(None, None, d) for d in dilation))] = weight
    return full


def attributes(space, out, kernel, stride, pads, channels: int, filters: int) -> dict:
    """hls4ml's attributes of Conv1D (one axis) or Conv2D (two)."""
    attrs = {"data_format": "channels_last", "n_chan": channels, "n_filt": filters, "padding": "valid"}
    n = len(space)
    for i, axis in enumerate(AXES[n - 1]):
        before, after = SIDES[axis]
        attrs |= {
            f"in_{axis}": space[i], f"out_{axis}": out[i], f"filt_{axis}": kernel[i], f"stride_{axis}": stride[i],
            f"pad_{before}": pads[i], f"pad_{after}": pads[n + i],
        }  # fmt: skip
    return {k: int(v) if not isinstance(v, str) else v for k, v in attrs.items()}
