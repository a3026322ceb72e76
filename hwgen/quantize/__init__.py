"""Quantization-aware training and its export to integer graphs."""
