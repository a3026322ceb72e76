"""The RTL lint: the library is clean, and a module that is not clean is told with its reason."""

import pytest

from hwgen.build import lint
from hwgen.errors import InputError

CLEAN = """module clean (input logic a_i, output logic b_o);
  assign b_o = ~a_i;
endmodule
"""


@pytest.mark.rtl
@pytest.mark.parametrize("file", lint.library(), ids=lambda file: file.stem)
def test_the_library_is_clean(file):
    assert lint.lint(file) is None


def test_a_warning_counts_and_is_shown(tmp_path, capsys):
    (tmp_path / "clean.sv").write_text(CLEAN)
    (tmp_path / "narrow.sv").write_text(CLEAN.replace("clean", "narrow").replace("output logic", "output logic [3:0]"))
    assert lint.main([str(tmp_path / "clean.sv")]) == 0
    assert lint.main([str(tmp_path / "clean.sv"), str(tmp_path / "narrow.sv")]) == 1
    told = capsys.readouterr()
    assert "WIDTH" in told.err and "narrow.sv" in told.err
    assert "1 of 2 modules clean" in told.out


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match="nothing.sv does not exist"):
        lint.main(["nothing.sv"])
