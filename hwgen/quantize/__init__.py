"""Quantization-aware training, quantization after training, and the integer graphs that both end in."""
