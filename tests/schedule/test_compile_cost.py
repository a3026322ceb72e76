"""What compiling costs: a large network within a minute and 4 GiB, from its file to the load image."""

import json
import subprocess
import sys

from hwgen.policies import zoo
from tests.support import ROOT

SECONDS, GIB = 60, 4

COMPILE = """
import json, resource, sys
from hwgen.graph import qonnx_in
from hwgen.schedule import compile_graph
from hwgen.schedule.image import image
design = compile_graph(qonnx_in.load(sys.argv[1]), 32, 64)
made = image(design.program, design.config, 0)
used = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/status") as status:  # ru_maxrss would begin with what the tests had taken before this process
    most = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps({"clocks": design.timing.latency, "bytes": len(made), "seconds": used.ru_utime + used.ru_stime,
                  "gib": most / 2**20}))
"""


def test_deit_tiny_within_a_minute_and_4_gib(tmp_path):
    file = zoo.save("zoo:deit-tiny-224,bits=4", tmp_path)
    done = subprocess.run([sys.executable, "-c", COMPILE, str(file)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    print(cost)
    assert cost["clocks"] > 500_000 and cost["bytes"] > 2_000_000
    assert cost["seconds"] < SECONDS and cost["gib"] < GIB  # of the processor, so that other work does not count
