"""Where the files that are not Python lie: RTL templates, boards, simulation sources.

In a checkout they are folders beside the package, which is where a hardware engineer looks for them. In an installed
wheel they are inside the package, under ``hwgen/_data``. Nothing else may know the difference.
"""

from pathlib import Path

from hwgen.errors import InputError

KINDS = ("hls_templates", "boards", "sim")

_PACKAGE = Path(__file__).resolve().parent


def path(kind: str, *parts: str) -> Path:
    """Return the folder ``kind`` (one of `KINDS`), or the file or folder ``parts`` below it.

    Raises `InputError` for another kind and for a path that does not exist.
    """
    if kind not in KINDS:
        raise InputError(f"unknown resource kind {kind!r}: use one of {', '.join(KINDS)}")
    for base in (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind):
        if base.is_dir():
            found = base.joinpath(*parts)
            if found.exists():
                return found
            raise InputError(f"{'/'.join((kind, *parts))} does not exist in this hwgen ({base})")
    raise InputError(f"{kind}/ is missing from this installation of hwgen ({_PACKAGE}): install it again")


def checkout() -> Path | None:
    """Return the root of the git checkout that hwgen runs from, or None for an installed wheel."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "boards").is_dir() else None
