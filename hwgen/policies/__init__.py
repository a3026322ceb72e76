"""Policies as Keras models, and the trained one that comes along."""
