"""The choice of a backend."""

from pathlib import Path

import pytest

from hwgen import backends
from hwgen.errors import UnsupportedError


@pytest.mark.parametrize("backend", ["hls4ml", "finn"])
def test_what_is_not_built_yet_is_said(backend, tmp_path):
    with pytest.raises(UnsupportedError, match=f"backend '{backend}' is not in this version; .*--backend engine"):
        backends.generate(Path("net.onnx"), "zcu104", backend, None, tmp_path)
