"""Resources: found from a checkout, and refused by name."""

import pytest

from hwgen import resources
from hwgen.errors import InputError
from tests.support import ROOT


def test_path_in_a_checkout():
    assert resources.path("boards") == ROOT / "boards"
    assert resources.path("boards", "zcu104", "board.toml").is_file()


@pytest.mark.parametrize(
    ("words", "told"), [(("docs",), "unknown resource kind 'docs'"), (("boards", "nowhere"), "boards/nowhere does not")]
)
def test_refused(words, told):
    with pytest.raises(InputError, match=told):
        resources.path(*words)


def test_an_installed_wheel_uses_its_own_copy(tmp_path, monkeypatch):
    """The wheel's layout, imitated: package/_data/boards is taken, not a folder beside site-packages/hwgen."""
    package = tmp_path / "site-packages" / "hwgen"
    (package / "_data" / "boards").mkdir(parents=True)
    (tmp_path / "site-packages" / "boards").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.path("boards") == package / "_data" / "boards"
    with pytest.raises(InputError, match="sim/ is missing"):
        resources.path("sim")
