"""Several problems in one error: who repairs a file wants to know all of them."""

from __future__ import annotations

from hwgen.errors import HwgenError, UnsupportedError


def complain(problems: list[str], what: str, kind: type[HwgenError] = UnsupportedError) -> None:
    """Raise one error that lists all problems, each once; nothing where there are none."""
    problems = list(dict.fromkeys(problems))
    if len(problems) == 1:
        raise kind(problems[0])
    if problems:
        listed = "; ".join(f"({i}) {text}" for i, text in enumerate(problems, 1))
        raise kind(f"{len(problems)} problems of the {what}: {listed}")
