"""What callers hand in is what was asked for; the error names the difference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from hwgen.runtime.errors import InputFault, UsageError

MAX_TIMEOUT = 1e6
"""Seconds."""


def check_names(
    given: object, wanted: Mapping[str, object], what: str, who: str, optional: Collection[str] = ()
) -> None:
    """Raise InputFault unless `given` is a dict with exactly these names; the optional ones may be missing."""
    if not isinstance(given, Mapping):
        raise InputFault(f"{what} a {type(given).__name__}; give a dict of arrays: {', '.join(wanted)}")
    missing = [name for name in wanted if name not in given]
    if len(given) + len(missing) != len(wanted) or any(name not in optional for name in missing):
        names = ", ".join(f"{name!s:.100}" for name in list(given)[:64]) or "none"
        takes = ", ".join(f"{name} (optional)" if name in optional else name for name in wanted)
        raise InputFault(f"{what} {names}; {who} {takes}")


def check_batch(observations: object) -> None:
    """Raise InputFault where these are no observations one after the other."""
    if isinstance(observations, Mapping) or not isinstance(observations, Iterable):
        raise InputFault(
            f"infer_batch is given {type(observations).__name__}; give a list with an observation each, such as "
            "[{name: array}, {name: array}]"
        )


def check_shape(what: str, x: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise InputFault where `x` has another shape, with a hint where it is only the batch axis."""
    if x.shape != shape:
        hint = "; drop the batch axis" if x.shape == (1, *shape) else ""
        raise InputFault(f"{what} has shape {x.shape}; this accelerator takes {shape}{hint}")


def check_out(what: str, out: object, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Raise InputFault unless `out` is an array that can take these results."""
    good = isinstance(out, np.ndarray) and out.dtype == dtype and out.shape == shape and out.flags.writeable
    if not good:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise InputFault(f"{what} is {found}; give a writeable {dtype} array of shape {shape}")


def as_array(what: str, value: object) -> np.ndarray:
    """`value` as an array. Raises InputFault where NumPy makes none of it, as of lists of different lengths."""
    if isinstance(value, np.ndarray):
        return value
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise InputFault(f"{what} is no array ({error}); give a NumPy array") from error


def check_timeout(seconds: float) -> float:
    """The seconds. Raises UsageError for a time-out that would never come, or has come already."""
    if not (isinstance(seconds, (int, float)) and 0 <= seconds < MAX_TIMEOUT):
        raise UsageError(f"timeout is {seconds!r:.40}; give seconds from 0, below {MAX_TIMEOUT:g}")
    return seconds
