"""The errors hwgen raises on purpose.

Each message names the thing, the reason and the way out, because the command line prints it as one line without a
traceback (exit code 2). Anything else that escapes is a defect in hwgen and keeps its traceback.
"""

DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError, OverflowError)
"""What reading a model ends in whose attributes, shapes or inputs are missing or wrong: told with the node's name."""


class HwgenError(Exception):
    """Base of every error that a user can act on."""


class GraphError(HwgenError):
    """A graph contradicts itself: a missing tensor, a shape that does not match, a cycle. Names the node."""


class UnsupportedError(GraphError):
    """A valid model holds something hwgen cannot map: an operator, a data type, a bit width. Names the node."""


class FitError(HwgenError):
    """A graph does not fit the board or the array: memory, multipliers, address range."""


class InputError(HwgenError):
    """What the user gave is wrong: a file, a shape, a dtype, a value, the name of a board."""


class ToolError(HwgenError):
    """An outside tool is missing or failed: Verilator, g++, make, Vivado."""
