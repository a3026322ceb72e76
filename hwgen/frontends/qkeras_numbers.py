"""What QKeras' quantizers mean in integers: types and scales of activations, integer weights, padding."""

from __future__ import annotations

import numpy as np

from hwgen.errors import UnsupportedError


def fixed_point(quantizer, layer: str) -> tuple[int, bool, bool, float]:
    """(bits, signed, narrow, scale) of an activation quantizer."""
    kinds = {base.__name__ for base in type(quantizer).__mro__}
    if "quantized_relu" in kinds:
        if quantizer.use_sigmoid or quantizer.negative_slope or quantizer.relu_upper_bound:
            raise UnsupportedError(f"layer {layer!r}: quantized_relu with sigmoid, slope or bound; use a plain one")
        return quantizer.bits, False, False, 2.0 ** (int(quantizer.integer) - quantizer.bits)
    if "quantized_bits" in kinds:
        alpha = 1.0 if quantizer.alpha is None else quantizer.alpha
        if isinstance(alpha, str) or np.ndim(alpha):
            raise UnsupportedError(f"layer {layer!r}: activation quantizer with alpha={alpha!r}; use a number")
        bits, signed = quantizer.bits, bool(quantizer.keep_negative)
        scale = float(alpha) * 2.0 ** (int(quantizer.integer) - bits + signed)
        return bits, signed, bool(signed and quantizer.symmetric), scale
    kind = type(quantizer).__name__
    raise UnsupportedError(f"layer {layer!r}: quantizer {kind}; use quantized_bits or quantized_relu")


def integer_weights(quantizer, kernel, layer: str) -> tuple[np.ndarray, np.ndarray, int]:
    """(integers like kernel, scale per output channel, bits) of a kernel under a quantized_bits quantizer."""
    if type(quantizer).__name__ != "quantized_bits":
        raise UnsupportedError(f"layer {layer!r}: kernel quantizer {quantizer!r}; use quantized_bits")
    real = np.asarray(quantizer(kernel), np.float64)
    channels = real.shape[-1]
    signed = int(bool(quantizer.keep_negative))
    unit = 2.0 ** (int(quantizer.integer) - quantizer.bits + signed)
    scale = np.asarray(quantizer.scale, np.float64).reshape(-1)
    if scale.size not in (1, channels):
        raise UnsupportedError(f"layer {layer!r}: {scale.size} weight scales for {channels} outputs; one per output")
    scale = np.broadcast_to(scale * unit, (channels,)).copy()
    scale[scale == 0] = unit
    whole = np.round(real / scale)
    if not np.array_equal(whole * scale, real):
        raise UnsupportedError(f"layer {layer!r}: its quantized weights are not multiples of their scales")
    return whole.astype(np.int64), scale, int(quantizer.bits)


def keras_pads(layer, size: tuple[int, ...], window: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Padding by Keras' rule for an input of this size: begin of each axis, then end. window: default kernel_size."""
    if layer.padding == "valid":
        return (0,) * (2 * len(size))
    if layer.padding != "same":
        raise UnsupportedError(f"layer {layer.name!r}: padding {layer.padding!r}; use 'same' or 'valid'")
    before, after = [], []
    window, dilations = window or layer.kernel_size, getattr(layer, "dilation_rate", (1,) * len(size))
    for n, kernel, stride, dilation in zip(size, window, layer.strides, dilations, strict=True):
        need = max((-(-n // stride) - 1) * stride + (kernel - 1) * dilation + 1 - n, 0)
        before.append(need // 2)
        after.append(need - need // 2)
    return (*before, *after)
