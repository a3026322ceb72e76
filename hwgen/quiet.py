"""Libraries that print from C, which no setting of theirs silences."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDOUT, STDERR = 1, 2


@contextmanager
def quiet(descriptor: int) -> Iterator[None]:
    """Drop what the process writes to STDOUT or STDERR meanwhile, from C as well as from Python."""
    stream = (sys.stdout, sys.stderr)[descriptor - 1]
    stream.flush()
    kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    try:
        yield
    finally:
        stream.flush()
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(nowhere)
