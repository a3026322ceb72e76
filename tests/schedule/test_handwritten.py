"""The program by hand in docs/engine.md: the page's own code, on the interpreter, against plain NumPy."""

import re

import numpy as np

from hwgen.graph.golden import round_shift
from hwgen.schedule import EngineConfig
from tests.schedule.interpreter import Engine
from tests.support import ROOT


def test_the_pages_program(rng):
    page = (ROOT / "docs" / "engine.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(code, names)
    w1, w2 = rng.integers(-128, 128, (32, 16)), rng.integers(-128, 128, (16, 32))
    b1, b2, shift = rng.integers(-9999, 9999, 32), rng.integers(-9999, 9999, 16), 9
    image = names["program"](w1, b1, w2, b2, shift)
    config = EngineConfig(8, 8)
    x = rng.integers(-128, 128, 16)
    result = Engine(image, config, rng).run(x.astype(np.int8).tobytes(), 64)
    h = np.clip(round_shift(np.maximum(w1 @ x + b1, 0), shift), 0, 255)
    y = np.clip(round_shift(w2 @ h + b2, shift), -128, 127)
    assert np.frombuffer(result.output[:16], np.int8).tolist() == y.tolist()
    # the clocks that the page tells
    assert result.issued == 16 and result.latency == 82 + 5 + 4 + 2
