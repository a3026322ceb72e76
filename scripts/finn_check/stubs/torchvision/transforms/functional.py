"""Part of the stand-in: nothing of it is called."""
