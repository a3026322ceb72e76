"""FINN: the graph in its dialect, its folding, its formulas."""
