"""FINN in docker: `docker` and `run-docker.sh` are scripts that leave what the real ones leave, or fail as they do."""

import io
import json

import numpy as np
import pytest

from hwgen.build import finn_docker, finn_reports
from hwgen.errors import InputError, ToolError
from tests.build.support import finn_design, only, tool

TIMING = """
------------------------------------------------------------------------------------------------
| Design Timing Summary
    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
      0.512        0.000                      0                51234        0.010        0.000
"""
FILES = {
    "report/estimate_layer_cycles.json": json.dumps({"MVAU_hls_0": 512, "Thresholding_rtl_0": 64}),
    "report/estimate_layer_resources.json": json.dumps({"MVAU_hls_0": {"LUT": 900, "DSP": 0}, "total": {"LUT": 900}}),
    "report/estimate_network_performance.json": json.dumps({"critical_path_cycles": 576, "max_cycles": 512}),
    "report/rtlsim_performance.json": json.dumps({"cycles": 650, "latency_cycles": 640, "N": 1}),
    "report/post_synth_resources.json": json.dumps(
        {"(top)": {"LUT": 20000, "SRL": 100, "FF": 30000, "BRAM_36K": 10, "BRAM_18K": 3, "URAM": 1, "DSP": 12}}
    ),
    "report/post_route_timing.rpt": TIMING,
    "bitfile/finn-accel.bit": "bits",
    "bitfile/finn-accel.hwh": "<EDKSYSTEM/>",
    "driver/driver.py": "pass",
    "deploy/bitfile/finn-accel.bit": "bits",
    "deploy/driver/driver.py": "pass",
}
STEPS = "Running step: step_qonnx_to_finn [1/17]\nRunning step: step_hw_ipgen [9/17]\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with everything that FINN needs; returns a function that says what run-docker.sh does."""
    tools = tmp_path / "Xilinx"
    for name in ("Vivado", "Vitis_HLS"):
        (tools / name / "2022.2").mkdir(parents=True)
        (tools / name / "2022.2" / "settings64.sh").write_text("")
    monkeypatch.setenv("FINN_XILINX_PATH", str(tools))
    monkeypatch.setenv("FINN_XILINX_VERSION", "2022.2")
    monkeypatch.setenv("FINN_ROOT", str(tmp_path / "finn"))
    monkeypatch.delenv("FINN_SINGULARITY", raising=False)
    monkeypatch.delenv("FINN_DOCKER_EXTRA", raising=False)
    tool(tmp_path / "bin", "docker", f'echo "$@" >> {tmp_path}/docker.log', monkeypatch)

    def does(script: str) -> None:
        tool(tmp_path / "finn", "run-docker.sh", script)

    does("exit 0")
    return does


def leaves(
    tmp_path,
    changes: dict[str, str | None] | None = None,
    said: str = STEPS + "Completed successfully\n",
    output: str = "build",
) -> str:
    """A script that leaves FINN's products in $2/`output`, some changed or (None) absent, and says something."""
    source = tmp_path / "products"
    for name, text in (FILES | (changes or {})).items():
        if text is not None:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
    (tmp_path / "said").write_text(said)
    return f'test "$1" = build_dataflow -a -t 0 || exit 9\ncat {tmp_path}/said\ncp -r {source} "$2/{output}"'


def npy(values: list[float]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([values], np.float32))
    return file.getvalue()


def test_products_and_reports_end_in_report_json(tmp_path, machine):
    design = finn_design(tmp_path / "design")
    machine(leaves(tmp_path))
    lines = []
    report = finn_docker.run(design, lines.append)
    assert report == json.loads((design / "report.json").read_text())
    assert report["finn"]["layer_cycles"] == {"MVAU_hls_0": 512, "Thresholding_rtl_0": 64}
    assert report["finn"]["estimate"]["critical_path_cycles"] == 576
    assert report["finn"]["rtlsim"]["latency_cycles"] == 640 and report["finn"]["wns_ns"] == 0.512
    assert report["resources"] == {
        "lut": 20000, "ff": 30000, "dsp": 12, "bram36": 11.5, "uram": 1, "source": "finn post-synthesis",
    }  # fmt: skip
    assert finn_docker.bitfile(design).read_text() == "bits"
    assert lines[0] == "Running step: step_qonnx_to_finn [1/17]"


def test_an_old_build_does_not_pass_for_a_new_one(tmp_path, machine):
    design = finn_design(tmp_path / "design")
    machine(leaves(tmp_path))
    finn_docker.run(design)
    machine("exit 0")
    with pytest.raises(ToolError, match="before the first step.*bitfile/finn-accel.bit was not made|was not made"):
        finn_docker.run(design)
    assert (design / "build.previous" / "bitfile" / "finn-accel.bit").is_file()


TRACE = """Traceback (most recent call last):
  File "build_dataflow.py", line 169, in build_dataflow_cfg
    model = transform_step(model, cfg)
AssertionError: HLS IP generation failed: MVAU_hls_3
enable_build_pdb_debug not set in build config, exiting...
Build failed
"""


@pytest.mark.parametrize(
    "script, told",
    [
        ("SAID exit 0", r"FINN failed in step step_hw_ipgen \(9 of 17\): AssertionError: .*MVAU_hls_3 \("),
        ("SAID exit 255", r"step_hw_ipgen \(9 of 17\): AssertionError: .*exit code 255"),
        (
            "echo 'Unable to find image'; exit 125",
            "docker container, before the first step: Unable to find image .exit code 125",
        ),
        ("exit 1", "it printed nothing"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_a_build_that_fails_names_its_step_and_reason(tmp_path, machine, script, told):
    design = finn_design(tmp_path / "design")
    (tmp_path / "said").write_text(STEPS + TRACE)
    machine(script.replace("SAID", f"cat {tmp_path}/said;"))
    with pytest.raises(ToolError, match=told):
        finn_docker.run(design)
    assert "finn" not in json.loads((design / "report.json").read_text())


@pytest.mark.parametrize("name", [name for name in FILES if name not in {
    "report/estimate_network_performance.json", "report/rtlsim_performance.json"}])  # fmt: skip
@pytest.mark.parametrize("content", [None, ""])
def test_a_quiet_failure_is_found_by_the_product_that_is_missing(tmp_path, machine, name, content):
    design = finn_design(tmp_path / "design")
    machine(leaves(tmp_path, {name: content}))
    with pytest.raises(ToolError, match=f"{name} was not made"):
        finn_docker.run(design)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"report/estimate_layer_cycles.json": '{"MVAU_hls_0": 5'}, "estimate_layer_cycles.json is no whole JSON file"),
        ({"report/estimate_layer_cycles.json": '{"MVAU_hls_0": "5"}'}, "cycles.json: MVAU_hls_0 is no number"),
        ({"report/estimate_layer_cycles.json": "[]"}, "holds no JSON object"),
        ({"report/post_synth_resources.json": "{}"}, r"has no row \(top\)"),
        ({"report/post_synth_resources.json": '{"(top)": {"LUT": 1}}'}, "has no FF"),
        ({"report/rtlsim_performance.json": "{" * 100000}, "rtlsim_performance.json is no whole JSON file"),
        ({"report/post_route_timing.rpt": "nothing"}, "has no WNS"),
        (
            {"report/post_route_timing.rpt": TIMING.replace("  0.512", " -0.512") + "Slack (VIOLATED) : -0.512ns\n"
             "  Source:     top_i/mvau_3/acc_reg/C\n  Destination: top_i/mvau_3/out_reg/D\n"},
            "misses its clock: slack -0.512 ns; worst path top_i/mvau_3/acc_reg/C -> top_i/mvau_3/out_reg/D",
        ),
    ],
)  # fmt: skip
def test_a_spoilt_report_is_named(tmp_path, machine, changes, told):
    design = finn_design(tmp_path / "design")
    machine(leaves(tmp_path, changes))
    with pytest.raises(ToolError, match=told):
        finn_docker.run(design)


def test_verification_counts_exact_vectors(tmp_path, machine):
    design = finn_design(tmp_path / "design")
    machine(leaves(tmp_path))
    results = tmp_path / "products" / "verification_output"
    results.mkdir()
    (results / "verify_streamlined_python_0_SUCCESS.npy").write_bytes(npy([1.0, -2.0]))
    (results / "verify_streamlined_python_1_SUCCESS.npy").write_bytes(npy([0.5, 0.2500001]))
    assert finn_docker.run(design)["finn"]["verified"] == {"streamlined_python": {"vectors": 2, "exact": 1}}


@pytest.mark.parametrize(
    "name, content, told",
    [
        (
            "verify_initial_python_0_FAIL.npy",
            npy([1.0, -2.0]),
            "verification initial_python differs from golden in vector 0",
        ),
        ("verify_initial_python_0_SUCCESS.npy", npy([1.0, -1.875]), "differs from golden by 0.125"),
        ("verify_initial_python_0_SUCCESS.npy", npy([1.0, float("nan")]), "differs from golden by nan"),
        ("verify_initial_python_7_SUCCESS.npy", npy([1.0, -2.0]), "belongs to no vector"),
        ("verify_initial_python_0_SUCCESS.npy", npy([1.0]), "has shape"),
        ("verify_initial_python_0_SUCCESS.npy", npy([1.0, -2.0])[:40], "is no whole .npy file"),
    ],
)
def test_verification_that_differs_is_an_error_though_finn_goes_on(tmp_path, machine, name, content, told):
    design = finn_design(tmp_path / "design")
    machine(leaves(tmp_path))
    (tmp_path / "products" / "verification_output").mkdir()
    (tmp_path / "products" / "verification_output" / name).write_bytes(content)
    with pytest.raises(ToolError, match=told):
        finn_docker.run(design)


def test_a_build_that_hangs_is_stopped_with_its_container(tmp_path, machine, monkeypatch):
    design = finn_design(tmp_path / "design")
    container = "c0ffee" * 8
    # The wrapper hands FINN_DOCKER_EXTRA to docker, which then writes the container's name there.
    machine(f'set -- $FINN_DOCKER_EXTRA; test "$1" = --cidfile || exit 9; printf {container} > "$2"; sleep 600')
    monkeypatch.setenv("HWGEN_TOOL_HOURS", str(1 / 3600))
    with pytest.raises(ToolError, match="run-docker.sh had not ended"):
        finn_docker.run(design)
    assert f"kill {container}" in (tmp_path / "docker.log").read_text()


def refusal(design) -> str:
    with pytest.raises(ToolError, match="is complete, but FINN cannot build it here") as caught:
        finn_docker.run(design)
    return str(caught.value)


def test_all_that_is_missing_is_named_at_once(tmp_path, machine, monkeypatch):
    only(monkeypatch, tmp_path)
    for name in ("FINN_ROOT", "FINN_XILINX_PATH", "FINN_XILINX_VERSION"):
        monkeypatch.delenv(name)
    told = refusal(finn_design(tmp_path / "design"))
    for part in ("FINN_ROOT is not set", "docker is not on PATH", "FINN_XILINX_PATH and FINN_XILINX_VERSION not set"):
        assert part in told
    assert (
        f"./run-docker.sh build_dataflow {tmp_path / 'design'}" in told and "python -m hwgen.build.finn_docker" in told
    )


@pytest.mark.parametrize(
    "script, told",
    [
        (
            "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock' >&2; exit 1",
            "daemon does not run",
        ),
        ("echo 'permission denied while trying to connect to the Docker daemon' >&2; exit 1", "usermod -aG docker"),
    ],
)
def test_a_docker_that_answers_without_working(tmp_path, machine, monkeypatch, script, told):
    tool(tmp_path / "bin", "docker", f'test "$1" = --version && echo Docker version 28 && exit 0\n{script}')
    assert told in refusal(finn_design(tmp_path / "design"))


def test_what_else_is_checked_beforehand(tmp_path, machine, monkeypatch):
    design = finn_design(tmp_path / "a design")
    assert "the folder has a space in its path" in refusal(design)
    design = finn_design(tmp_path / "design")
    (tmp_path / "Xilinx" / "Vitis_HLS" / "2022.2" / "settings64.sh").unlink()
    assert "Vitis_HLS/2022.2/settings64.sh does not exist" in refusal(design)
    (tmp_path / "finn" / "run-docker.sh").chmod(0o644)
    assert "is not executable" in refusal(design)
    (tmp_path / "finn" / "run-docker.sh").unlink()
    assert "holds no run-docker.sh" in refusal(design)


def test_estimates_alone_need_no_vendor_tools(tmp_path, machine, monkeypatch):
    monkeypatch.delenv("FINN_XILINX_PATH")
    design = finn_design(tmp_path / "design", generate_outputs=["estimate_reports"])
    machine(leaves(tmp_path, dict.fromkeys([name for name in FILES if "estimate" not in name])))
    report = finn_docker.run(design)
    assert report["finn"]["estimate"]["max_cycles"] == 512 and "resources" not in report


@pytest.mark.parametrize(
    "config, told",
    [
        ({"enable_build_pdb_debug": True}, "waits for a debugger"),
        ({"output_dir": "../elsewhere"}, "should name a folder in"),
        ({"output_dir": ""}, "should name a folder in"),
        ({"generate_outputs": []}, "choose from"),
        ({"generate_outputs": ["bitstream"]}, "choose from"),
    ],
)
def test_a_configuration_that_would_hang_or_harm_is_refused(tmp_path, machine, config, told):
    with pytest.raises(InputError, match=told):
        finn_docker.run(finn_design(tmp_path / "design", **config))


def test_a_folder_of_another_kind_is_named(tmp_path):
    with pytest.raises(InputError, match="is no FINN folder"):
        finn_docker.run(tmp_path)


def test_the_products_are_those_of_finn():
    assert set(finn_reports.PRODUCTS) >= finn_docker.SYNTHESIS
