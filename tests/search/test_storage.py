"""Addresses of storages: what is wrong with them is told in one line, and no password with it."""

import pytest

pytest.importorskip("optuna", reason="needs the flow environment")

from hwgen.errors import InputError, ToolError  # noqa: E402
from hwgen.search.storage import Storage  # noqa: E402


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nonsense", InputError, "is no address: give sqlite:///FILE, journal:FILE, or a database's"),
        ("sqlite:////nowhere/study.db", InputError, "there is no folder /nowhere; make it"),
        ("journal:/nowhere/study.log", InputError, "there is no folder /nowhere; make it"),
        ("postgresql+psycopg://robot:secret@db/hwgen", ToolError, r"robot:\*\*\*@db/hwgen needs the Python package"),
    ],
)
def test_what_cannot_be_opened(url, error, words):
    with pytest.raises(error, match=words) as told:
        Storage(url)
    assert "secret" not in str(told.value) and "\n" not in str(told.value)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "study.db").write_text("no database" * 100)
    with pytest.raises(ToolError, match="does not answer"):
        Storage(f"sqlite:///{tmp_path / 'study.db'}")
    (tmp_path / "study.log").write_text("no journal\n" * 100)
    with pytest.raises(ToolError, match="does not answer"):
        Storage(f"journal:{tmp_path / 'study.log'}")
