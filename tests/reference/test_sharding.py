"""The pure function runs with batch and weights split over devices, and its integers stay golden's."""

import os
import subprocess
import sys

from tests.support import ROOT

PROGRAM = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from hwgen.graph import GraphBuilder, run
from hwgen.reference.jax_int import JAX_INT

rng = np.random.default_rng()
b = GraphBuilder()
x = b.input("x", (24,), signed=False, scale=2**-5)
h = b.requantize(b.linear(x, rng.integers(-8, 8, (24, 16)), 2**-5), scale=2**-3)
h = b.layernorm(h, 1.0, 0.0, scale=2**-5)
b.output(b.requantize(b.linear(h, rng.integers(-8, 8, (16, 6)), 2**-5), scale=2**-3), "y")
graph = b.build()
forward, params = JAX_INT.function(graph)
mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("data", "model"))
with jax.enable_x64(True):
    split = {n: {k: jax.device_put(a, NamedSharding(mesh, P(None, "model") if k == "weight" else P()))
                 for k, a in p.items()} for n, p in params.items()}
    data = rng.integers(0, 256, (32, 24))
    y = jax.jit(forward)(split, {"x": jax.device_put(data.astype(np.uint8), NamedSharding(mesh, P("data")))})["y"]
assert len(y.sharding.device_set) == 8
assert np.array_equal(y, run(graph, {"x": data})["y"])
"""


def test_batch_and_weights_over_eight_devices():
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
