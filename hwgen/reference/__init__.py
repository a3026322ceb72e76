"""References: the same graph on JAX and TensorFlow, as integers that equal golden and as the real values behind them.

Importing this package loads neither framework.
"""

from hwgen.reference.base import PLATFORMS, Prepared, Reference, present
from hwgen.reference.files import verify_file
from hwgen.reference.lowering import Lowered, export
from hwgen.reference.verification import Report, verify

__all__ = ["PLATFORMS", "Lowered", "Prepared", "Reference", "Report", "export", "present", "verify", "verify_file"]
