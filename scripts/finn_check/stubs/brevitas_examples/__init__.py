"""Stand-in for brevitas_examples: FINN's test helpers import two names and the builder uses neither."""

from unittest.mock import MagicMock

bnn_pynq = imagenet_classification = MagicMock()
