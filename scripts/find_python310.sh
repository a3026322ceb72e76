#!/usr/bin/env bash
# Prints a Python 3.10 that can make an environment, or nothing: the PATH's, then pyenv's and uv's.
for python in $(command -v python3.10) ~/.pyenv/versions/3.10.*/bin/python3.10 \
  ~/.local/share/uv/python/cpython-3.10.*/bin/python3.10; do
  "$python" -c 'import ensurepip, venv' 2>/dev/null && exec printf '%s\n' "$python"
done
exit 0
