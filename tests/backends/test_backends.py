"""The choice of a backend, and which options it takes."""

from pathlib import Path

import pytest

from hwgen import backends
from hwgen.backends.options import Options
from hwgen.errors import InputError

WRONG = [
    ("vhdl", Options(), "unknown backend 'vhdl': known are engine, hls4ml, finn"),
    ("engine", Options(io="stream"), "--io means nothing to the backend engine; it is for hls4ml"),
    ("hls4ml", Options(array=(8, 8)), "--array means nothing to the backend hls4ml; it is for engine"),
    ("hls4ml", Options(io="serial"), "io type 'serial' is unknown: choose parallel or stream"),
    ("engine", Options(weights="disk"), "--weights 'disk' is unknown: choose auto, chip, ddr"),
    ("engine", Options(weights="chip", stream_ports=1), "--stream-ports without --weights chip"),
    ("engine", Options(like=Path("old"), stream_ports=1), "without --like"),
    ("engine", Options(stream_ports=0), "--stream-ports must be positive, not 0"),
    ("hls4ml", Options(weights="ddr"), "--weights means nothing to the backend hls4ml; it is for engine"),
    ("finn", Options(rate_hz=0), "--rate-hz must be positive, not 0"),
    ("finn", Options(deadline_us=float("nan")), "--deadline-us must be positive, not nan"),
    ("finn", Options(deadline_us=10, rate_hz=100), "a deadline or a rate, not both"),
]


@pytest.mark.parametrize("backend, options, message", WRONG)
def test_what_a_backend_does_not_take_is_told(backend, options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        backends.generate(Path("net.onnx"), "zcu104", backend, options, tmp_path)
