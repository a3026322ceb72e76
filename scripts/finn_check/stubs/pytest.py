"""Stand-in for pytest, which FINN's test helpers import and the builder does not call."""
