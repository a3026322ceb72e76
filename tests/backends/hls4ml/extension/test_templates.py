"""Every HLS template, with random parameters, against golden."""

import pytest

from tests.backends.hls4ml.extension import drawing
from tests.backends.hls4ml.extension.harness import check
from tests.support import cases

DRAW = [
    drawing.requantize, drawing.mul, drawing.lookup, drawing.layernorm, drawing.softmax, drawing.slice_, drawing.pool,
]  # fmt: skip


@pytest.mark.parametrize("first", range(0, *cases((10, 10), (400, 100))))
@pytest.mark.parametrize("draw", DRAW, ids=lambda draw: draw.__name__)
def test_equals_golden(draw, first, tmp_path):
    """Case i of a failure is draw(first + i)."""
    check([draw(first + i) for i in range(cases(10, 100))], tmp_path)
