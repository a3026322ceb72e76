#!/usr/bin/env bash
# Says what a fresh machine lacks before anything is downloaded. Changes nothing.
set -u
python=${1:-python3.11}
packages=()

if ! command -v "$python" >/dev/null || ! "$python" -c '' 2>/dev/null; then
  echo "missing: $python (hwgen's tools need Python 3.11)" >&2
  packages+=(python3.11 python3.11-venv)
elif ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
  echo "wrong: $python is $("$python" -V 2>&1), and hwgen's tools need Python 3.11: make PYTHON=/path/to/python3.11 ..." >&2
  exit 1
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "missing: $python cannot make a virtual environment" >&2
  packages+=(python3.11-venv)
fi
for tool in g++ make perl; do
  command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; packages+=("$tool"); }
done

# cocotb runs Python inside the simulator, so it needs Python as a shared library; `hwgen simulate` does not.
if [ ${#packages[@]} -eq 0 ] && ! "$python" - 2>/dev/null <<'PY'
import ctypes, os, sysconfig
name = "libpython3.11.so.1.0"
for place in (os.path.join(sysconfig.get_config_var("LIBDIR") or "", name), name):
    try:
        ctypes.CDLL(place)
        break
    except OSError:
        pass
else:
    raise SystemExit(1)
PY
then
  echo "missing: $python as a shared library (the RTL tests need it)" >&2
  packages+=(libpython3.11)
fi

if [ ${#packages[@]} -gt 0 ]; then
  echo "On Debian or Ubuntu: sudo apt-get install ${packages[*]}" >&2
  exit 1
fi
