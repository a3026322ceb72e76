"""Notebooks for the board, which `pynq get-notebooks hwgen` copies to where its Jupyter looks."""
