"""Random graphs of norms and softmax over the rows of a tensor."""

from hwgen.graph import GraphBuilder


def rows_graph(rng, kinds=("softmax", "softmax", "layernorm", "rmsnorm"), deep=2):
    """Linear layers over rows, each followed by a row operation."""
    b = GraphBuilder("rows")
    t, c = int(rng.integers(1, 9)), int(rng.integers(1, 40))
    y = b.input("x", (t, c), bits=8, signed=bool(rng.integers(0, 2)), scale=2**-4)
    for _ in range(int(rng.integers(1, deep + 1))):
        wide = int(rng.choice([1, 3, 16, 17, 40, int(rng.integers(1, 150))]))
        y = b.linear(y, rng.integers(-128, 128, (c, wide)), 2.0**-9)
        y, c = b.requantize(y, bits=8, signed=bool(rng.integers(0, 2)), scale=2.0 ** -int(rng.integers(2, 6))), wide
        kind = rng.choice(kinds)
        if kind == "softmax":
            y = b.softmax(y, scale=float(rng.choice([2**-8, 1 / 255, 0.0071])))
        else:
            gamma, beta = rng.uniform(0.5, 2, c), rng.uniform(-1, 1, c)
            y = b.layernorm(y, gamma, beta, 1e-3, bits=8, scale=2.0**-5, rms=kind == "rmsnorm")
    if rng.random() < 0.5:
        y = b.linear(y, rng.integers(-128, 128, (c, 20)), 2.0**-9)
        y = b.requantize(y, bits=8, scale=2.0**-4)
    b.output(y, "y")
    return b.build()


def groups_graph(rng):
    """A convolution, a group norm, and another layer that follows it."""
    b = GraphBuilder("groups")
    size, c = int(rng.integers(1, 24)), int(rng.integers(1, 12))
    groups, each = int(rng.integers(1, 7)), int(rng.choice([1, 2, 3, 4, 8, 12, 16]))
    y = b.requantize(b.input("x", (c, size), bits=8, signed=True, scale=2**-4), bits=8, scale=2**-3)
    y = b.conv1d(y, rng.integers(-128, 128, (groups * each, c, 1)), 2.0**-9)
    y = b.requantize(y, bits=8, signed=bool(rng.integers(0, 2)), scale=2.0**-4)
    gamma, beta = rng.uniform(0.5, 2, groups * each), rng.uniform(-1, 1, groups * each)
    y = b.groupnorm(y, groups, gamma, beta, 1e-3, bits=8, scale=2.0**-5)
    if rng.random() < 0.7:
        y = b.conv1d(y, rng.integers(-128, 128, (20, groups * each, 1)), 2.0**-9)
        y = b.requantize(y, bits=8, scale=2.0**-4)
    b.output(y, "y")
    return b.build()
