"""`hwgen quantize` of float models: table, JSON, errors."""

import json

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen.errors import InputError  # noqa: E402
from hwgen.graph import qonnx_in  # noqa: E402
from hwgen.quantize import command  # noqa: E402
from hwgen.quantize.post import Options  # noqa: E402
from tests.support import ROOT  # noqa: E402

MODEL = ROOT / "tests" / "data" / "torch" / "mlp-dynamo18.onnx"


@pytest.fixture
def data(tmp_path):
    np.savez(tmp_path / "d.npz", obs=np.random.default_rng(0).normal(size=(32, 24)).astype(np.float32))
    return tmp_path / "d.npz"


def test_table_report_and_graph(tmp_path, data, capsys):
    command.main(MODEL, tmp_path / "g.onnx", data, Options(bits="auto"), 16, tmp_path / "r.json")
    told = capsys.readouterr()
    assert "SQNR dB" in told.out and "output y:" in told.out and "sensitivity" in told.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["outputs"][0]["sqnr"] > 15 and len(report["layers"]) == 8
    assert qonnx_in.load(tmp_path / "g.onnx").inputs == ["obs"]


def test_float_models_need_data(tmp_path):
    with pytest.raises(InputError, match="is a float model: give recorded inputs.*obs"):
        command.main(MODEL, tmp_path / "g.onnx", None, Options(), None, None)


def test_quantized_models_keep_their_scales(tmp_path, data):
    command.main(MODEL, tmp_path / "g.onnx", data, Options(), None, None)
    command.main(tmp_path / "g.onnx", tmp_path / "h.onnx", None, Options(), None, None)
    first, second = (qonnx_in.load(tmp_path / name) for name in ("g.onnx", "h.onnx"))
    assert [n.op for n in first.nodes] == [n.op for n in second.nodes]


def test_paths_that_cannot_be_written_are_told_before_the_work(tmp_path, data):
    good, bad = tmp_path / "g.onnx", tmp_path / "no" / "file"
    for out, report in ((tmp_path, None), (bad, None), (good, bad)):
        with pytest.raises(InputError, match="cannot be written"):
            command.main(MODEL, out, data, Options(), None, report)
    assert not good.exists()
