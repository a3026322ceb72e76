"""Runs a C simulation in a process of its own: python csim_run.py LIBRARY IN.npy OUT.npy STACK. Prints frames done.

Needs NumPy alone; `csim.run` starts it.
"""

import ctypes
import os
import sys
import threading
import time

import numpy as np

INT32 = ctypes.POINTER(ctypes.c_int32)


def main() -> None:
    library, source, target, stack = sys.argv[1:]
    counts = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the C code prints must not look like a count
    frames, results = np.load(source, mmap_mode="r"), np.load(target, mmap_mode="r+")
    core = ctypes.CDLL(library).hwgen_core
    core.argtypes, core.restype = [INT32, INT32], None

    def work() -> None:
        result, told = np.zeros(results.shape[1], np.int32), time.monotonic()
        for i in range(len(frames)):
            frame = np.array(frames[i], np.int32)
            core(frame.ctypes.data_as(INT32), result.ctypes.data_as(INT32))
            results[i] = result
            if time.monotonic() > told + 0.1 or i + 1 == len(frames):
                told = time.monotonic()
                print(i + 1, file=counts, flush=True)
        results.flush()

    threading.stack_size(int(stack))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
