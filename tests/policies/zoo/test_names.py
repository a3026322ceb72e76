"""Names of the zoo, their parameters, and what is said of wrong ones."""

import json

import pytest

from hwgen.errors import GraphError, HwgenError, InputError
from hwgen.policies import zoo
from hwgen.policies.zoo import show
from hwgen.policies.zoo.catalogue import ENTRIES, SMALL
from tests.support import ROOT, cases


def test_a_name_may_have_parameters():
    chosen = zoo.find("zoo:oft-l1-head,width=1024,bits=4")
    assert (chosen.name, chosen.bits, chosen.given) == ("oft-l1-head", 4, {"width": 1024, "chunk": 8})
    assert zoo.find("oft-l1-head-small").given["width"] == 128


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("zoo:", "the zoo has no ''; `hwgen zoo` lists"),
        ("zoo:tdmcp", r"no 'tdmcp' \(did you mean tdmpc"),
        ("zoo:mlperf-tiny", "did you mean mlperf-tiny-"),
        ("zoo:oft-l1-head?width=1024", r"did you mean oft-l1-head"),
        ("zoo:tdmpc,bit=4", r"no parameter 'bit' \(did you mean bits\?\); it has bits, image, channels"),
        ("zoo:tdmpc,", "has no parameter ''"),
        ("zoo:tdmpc,bits", "bits is ''; give a whole number, as in bits=8"),
        ("zoo:tdmpc,bits=4.0", "bits is '4.0'"),
        ("zoo:tdmpc,bits=5", "weights of 5 bits; 2, 3, 4 and 8"),
        ("zoo:tdmpc,hidden=0", "hidden is 0; it must be within 1 and 4096"),
        ("zoo:oft-l1-head,width=99999999", "width is 99999999; it must be within 1 and 32768"),
        ("zoo:oft-l1-head,width=" + "9" * 5000, "give a whole number"),
        ("zoo:vit-tiny,classes=5", "no parameter 'classes'"),
        ("zoo:mlperf-tiny-kws,task=ad", "no parameter 'task'"),
    ],
)
def test_wrong_names_are_told(text, told):
    with pytest.raises(InputError, match=told) as error:
        zoo.find(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["tdmpc,image=8", "demo,bits=8", "vit-tiny,patch=9", "vit-tiny,width=200", "octo-small-l1-head,token=100"]
)
def test_parameters_that_do_not_fit_are_errors(text):
    with pytest.raises(HwgenError):
        zoo.graph(text)


def test_any_parameters_give_a_graph_or_an_error_of_one_line(rng):
    for _ in range(cases(15, 400)):
        entry = ENTRIES[rng.integers(len(ENTRIES))]
        sizes = {key: value for key, value in entry.small.given.items() if isinstance(value, int) and value}
        given = "".join(
            f",{key}={rng.integers(1, 2 * value + 1)}" for key, value in sizes.items() if rng.random() < 0.5
        )
        text = f"zoo:{entry.name}-small{given},bits={rng.choice(zoo.WEIGHT_BITS)}"
        print(text)
        try:
            zoo.graph(text)
        except HwgenError as error:
            assert "\n" not in str(error)


def test_what_no_machine_holds_is_refused_before_memory_is_taken():
    with pytest.raises(GraphError, match="'fc0' has 7,516,192,768 numbers; a net is built from at most 134,217,728"):
        zoo.graph("zoo:oft-l1-head,width=32768,chunk=1")


def test_the_list_has_every_entry(capsys):
    show.show(None, True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["full"]["zoo"] for row in rows] == [f"zoo:{entry.name}" for entry in ENTRIES]
    assert all(row["small"]["macs"] <= row["full"]["macs"] for row in rows)
    show.show(None, False)
    told = capsys.readouterr().out
    for entry in ENTRIES:
        full, small = (
            next(line for line in told.splitlines() if line.split()[:1] == [name])
            for name in (entry.name, entry.name + SMALL)
        )
        assert f"{entry.full.macs / 1e6:,.3f}" in full and full.rstrip().endswith(entry.source)
        assert f"{entry.small.macs / 1e6:,.3f}" in small


def test_the_page_has_every_entry_with_its_figures():
    page = (ROOT / "docs/zoo.md").read_text()
    for entry in ENTRIES:
        figures = (entry.full.macs, entry.full.weights, entry.small.macs)
        told = " | ".join(f"{figure / 1e6:,.3f}" for figure in figures)
        row = (
            f"| `{entry.name}` | {entry.what} | {entry.full.inputs} | {entry.full.outputs} | {told} | {entry.source} |"
        )
        assert row in page, row


def test_one_entry_is_built_and_told(capsys):
    show.show("zoo:mlperf-tiny-ad,width=16", True)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["macs"], facts["nodes"]["Linear"]) == (2 * 64 * 16 + 2 * 16 * 16 + 2 * 16 * 8, 6)
    assert "arXiv:2206.11791" in facts["about"]
    show.show("mlperf-tiny-ad-small", False)
    assert "4,608" in capsys.readouterr().out
