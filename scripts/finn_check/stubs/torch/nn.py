"""Part of the stand-in: the names that FINN imports."""


class Module:
    """A base class, never made."""


class Sequential(Module):
    """Never made."""
