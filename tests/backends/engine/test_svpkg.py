"""What is made from the ABI table is up to date, and says what the table says."""

import re

from hwgen.backends.engine import svpkg
from hwgen.runtime import abi
from tests.support import ROOT


def test_the_package_is_fresh():
    made = (ROOT / "hls_templates/engine/rtl/hwgen_pkg.sv").read_text()
    assert made == svpkg.package(), "stale: run `python -m hwgen.backends.engine.svpkg`"


def test_the_document_is_fresh():
    assert (ROOT / "docs/abi.md").read_text() == svpkg.document(), "stale: run `python -m hwgen.backends.engine.svpkg`"


def test_write_makes_both_files(tmp_path):
    (tmp_path / "hls_templates/engine/rtl").mkdir(parents=True)
    svpkg.write(tmp_path)
    assert (tmp_path / "hls_templates/engine/rtl/hwgen_pkg.sv").read_text() == svpkg.package()
    assert (tmp_path / "docs/abi.md").read_text() == svpkg.document()


def test_structs_have_the_tables_bits():
    """Summed from the text: each struct is as wide as its table, its first field last."""
    for name, table in {
        **{f"{n.lower()}_instr_t": t for n, t in abi.INSTRUCTIONS.items()},
        "param_t": abi.PARAM,
    }.items():
        body = re.search(r"typedef struct packed \{([^}]*)\} " + name, svpkg.package()).group(1)
        bits, names = 0, []
        for dims, field in re.findall(r"logic ((?:\[\d+:0\])*) ?(\w+);", body):
            size = 1
            for top in re.findall(r"\[(\d+):0\]", dims):
                size *= int(top) + 1
            bits += size
            names.append(field)
        assert bits == abi.width(table), name
        assert names[-1] == table[0][0]


def test_every_table_is_in_the_document():
    text = svpkg.document()
    for register in abi.REGISTERS:
        assert f"| 0x{register.offset:03X} | {register.name} | {register.access} |" in text
    for name in (*abi.TARGETS, *(error[0] for error in abi.ERRORS.values())):
        assert f"| {name} " in text
