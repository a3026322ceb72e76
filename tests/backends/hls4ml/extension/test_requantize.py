"""Requantize in HLS C++ against golden."""

import pytest

from tests.backends.hls4ml.extension import drawing
from tests.backends.hls4ml.extension.harness import check
from tests.support import cases


@pytest.mark.parametrize("first", range(0, *cases((40, 40), (1000, 100))))
def test_equals_golden(first, tmp_path):
    check([drawing.requantize(first + i) for i in range(cases(40, 100))], tmp_path)
