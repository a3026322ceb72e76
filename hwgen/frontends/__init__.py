"""Models of other libraries -> integer graph."""
