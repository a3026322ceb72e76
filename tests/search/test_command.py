"""`hwgen search` of a float network: from the file to the design, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the flow environment")

from hwgen import backends  # noqa: E402
from hwgen.backends.options import Options  # noqa: E402
from hwgen.errors import FitError, InputError  # noqa: E402
from hwgen.search.command import Request, main  # noqa: E402
from hwgen.search.space import Space  # noqa: E402
from hwgen.search.trained import Effort  # noqa: E402
from tests.support import ROOT  # noqa: E402

MODEL = ROOT / "tests" / "data" / "torch" / "mlp-dynamo18.onnx"


@pytest.fixture
def request_for(tmp_path):
    data = tmp_path / "data.npz"
    np.savez(data, obs=np.random.default_rng(0).normal(size=(32, 24)).astype(np.float32))

    def make(**changes):
        given = {"policy": str(MODEL), "board": "ulx3s", "deadline_us": None, "out": tmp_path / "out", "trials": 5,
                 "space": Space(), "effort": Effort(), "calibration": data, "limit": 32, "seed": 1}  # fmt: skip
        return Request(**given | changes)

    return make


def test_a_float_network_becomes_the_graph_of_the_best_bits(request_for, tmp_path, capsys):
    request = request_for(deadline_us=1000.0, space=Space(bits=(2, 4)))
    file = main(request)
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].startswith(f"Next: hwgen generate {file} --board ulx3s --deadline-us 1000 -o ")
    assert "trial 0: sqnr" in told.err and "\ntrial 4" in told.err
    report = json.loads((tmp_path / "out" / "search.json").read_text())
    best = report["trials"][report["best"]]
    assert report["study"] == "mlp-dynamo18-ulx3s-1000us" and report["quality"]["unit"] == "dB"
    assert [set(t["parameters"].values()) for t in report["trials"][:2]] == [{4}, {2}]
    assert best["value"] == max(t["value"] for t in report["trials"])
    design = backends.generate(file, "ulx3s", "engine", Options(deadline_us=1000.0), tmp_path / "design")
    made = json.loads((design / "report.json").read_text())
    assert made["predicted_cycles"] == best["engine"]["clocks"]
    assert "x".join(map(str, made["array"])) == best["engine"]["name"]
    main(request)
    assert "trial" not in capsys.readouterr().err, "it is finished: nothing is done again"


def test_bits_that_do_not_fit_the_board_are_stopped_with_the_reason(request_for, tmp_path):
    main(request_for(trials=2))
    first, second = json.loads((tmp_path / "out" / "search.json").read_text())["trials"]
    assert first["state"] == "stopped" and "no array fits ulx3s. The nearest, 8x8: dsp" in first["why"]
    assert second["state"] == "complete" and set(second["parameters"].values()) == {4}


def test_a_deadline_below_the_bound_states_it_before_any_trial(request_for, tmp_path):
    with pytest.raises(FitError, match=r"0\.1 us is below the bound: mlp-dynamo18 with weights of 4 bits takes"):
        main(request_for(deadline_us=0.1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calibration": None}, "needs recorded inputs: give --calibration"),
        ({"space": Space(width=(0.5,))}, "it cannot be trained, so leave --width, --depth and --chunk away"),
        ({"quality": "success"}, "needs a policy that can be trained: .* is judged by sqnr"),
        ({"policy": "demo"}, "demo is judged by its robot: leave --calibration away"),
        ({"policy": "demo", "calibration": None, "quality": "sqnr"}, "'sqnr' is not possible .* success or error"),
        ({"policy": "vit-flwo", "calibration": None}, "no policy 'vit-flwo' comes along"),
        ({"policy": "missing.onnx"}, "missing.onnx does not exist"),
        ({"out": MODEL}, "is a file: give a folder"),
        ({"policy": "demo:head"}, "demo:head does not exist: search takes a whole policy"),
        ({"deadline_us": 0.0}, "--deadline-us must be positive, not 0"),
        ({"effort": Effort(budget=2.0)}, "--budget is a share of the whole training"),
        ({"space": Space(bits=(5,))}, "--bits 5 is not possible"),
        ({"storage": "nonsense"}, "is no address"),
    ],
)
def test_what_is_refused(request_for, changes, words):
    with pytest.raises(InputError, match=words) as told:
        main(request_for(**changes))
    assert "\n" not in str(told.value)


WITHOUT = """
import sys
class Absent:
    def find_spec(name, *_):
        if name == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'", name=name)
sys.meta_path.insert(0, Absent)
sys.argv[1:] = "search demo --board zcu104".split()
from hwgen.cli import main
main()
"""


def test_without_optuna_one_line_says_what_to_install():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "the Python package optuna is missing: run `make env`, or pip install 'hwgen[flow]'" in done.stderr
