"""Blocks against what they say they compute, in real numbers; loops against their update rules."""

import numpy as np
import pytest

from hwgen.errors import GraphError, InputError
from hwgen.graph import golden, run
from hwgen.graph.net import Net
from hwgen.graph.steps import Update, cosine_alphas, ddim, ddpm, euler, sinusoid, unroll


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def steps_off(net: Net, y: str, want: np.ndarray) -> float:
    """The largest distance in steps of the output, saturated values left out."""
    t = net.b.tensor(y)
    inside = (net.values[y] > t.dtype.lo) & (net.values[y] < t.dtype.hi)
    return float(np.abs(net.real(y) - want)[inside].max() / t.scale)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_attention_of_heads_and_of_groups(kv_heads):
    net, d = Net(f"heads{kv_heads}"), 3
    q, k, v = net.input("q", (5, 4 * d)), net.input("k", (7, kv_heads * d)), net.input("v", (7, kv_heads * d))
    y = net.dot_product(q, k, v, "a", 4, kv_heads)
    heads = []
    for h in range(4):
        of, at = slice(h * d, h * d + d), h // (4 // kv_heads) * d
        scores = np.einsum("btd,bsd->bts", net.real(q)[..., of], net.real(k)[..., at : at + d])
        heads.append(softmax(scores / np.sqrt(d)) @ net.real(v)[..., at : at + d])
    error = np.abs(net.real(y) - np.concatenate(heads, -1)) / net.b.tensor(y).scale
    assert error.mean() < 1 and net.shape(y) == (5, 4 * d)  # scores and shares of 8 bits; exchanged heads give tens


def test_spatial_softmax_finds_the_peak():
    net = Net("spatial")
    x = net.input("x", (2, 5, 9), scale=2.0**-3)
    y = net.output(net.spatial_softmax(x, "s"), "y")
    ints = np.full((3, 2, 5, 9), -128)
    peaks = [(0, 0), (4, 8), (1, 6)]
    for i, (row, column) in enumerate(peaks):
        ints[i, :, row, column] = 127
    got = golden.run(net.build(), {"x": ints})["y"] * net.b.tensor(y).scale
    want = [[c / 4 - 1, r / 2 - 1] * 2 for r, c in peaks]
    assert np.abs(got - want).max() < 0.03


def test_film_and_positions_are_rounded_once():
    net = Net("film")
    x, gamma, beta = net.input("x", (4, 6)), net.input("gamma", (4, 1)), net.input("beta", (4, 1))
    y = net.film(x, gamma, beta, "film")
    assert steps_off(net, y, net.real(x) * net.real(gamma) + net.real(beta)) <= 0.5
    z = net.positional(x, "position")
    assert steps_off(net, z, net.real(x) + net.real("position.table")) <= 0.5


def test_map_pool_weighs_the_rows():
    net = Net("map")
    x = net.input("x", (6, 8))
    net.map_pool(x, "map", heads=2, queries=3)
    share, v = net.real("map.shares"), net.real("map.values")
    assert np.abs(share.sum(-1) - 1).max() < 6 / 256 + 1e-9  # each rounded, one probability of 1 is 255/256
    assert steps_off(net, "map.mix.q", share @ v) <= 0.5
    assert net.shape("map.out.q") == (3, 8)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_transformer_blocks_keep_the_shape(norm):
    net = Net(f"block-{norm}")
    x, memory = net.input("x", (5, 12)), net.input("memory", (4, 6))
    y = net.transformer_block(x, "b", 3, 20, "silu", memory, norm=norm)
    assert net.shape(y) == (5, 12)
    assert net.b.graph.producer(y).op == ("LayerNorm" if norm == "post" else "Requantize")
    with pytest.raises(GraphError, match="'c'.*'middle'.*'pre' or 'post'"):
        net.transformer_block(x, "c", 3, 20, norm="middle")
    with pytest.raises(GraphError, match="'d.self'.*5 heads must divide the width 12"):
        net.transformer_block(x, "d", 5, 20)


def test_class_tokens_and_joins_share_scale_and_type():
    net = Net("tokens")
    y = net.patches(net.image("image", 3, 8), 10, 4, "p", class_token=True)
    assert net.shape(y) == (5, 10) and np.array_equal(net.values[y][0, 0], net.values[y][1, 0])
    a, b = net.input("a", (2, 3), scale=2.0**-4), net.input("b", (5, 3), scale=2.0**-5, signed=False)
    y = net.join([a, b], 0, "j")
    assert steps_off(net, y, np.concatenate([net.real(a), net.real(b)], 1)) <= 0.5


def test_what_no_step_changes_is_made_once():
    net = Net("once")
    cond = net.input("cond", (6,))
    for i in range(3):
        net.step = f"s{i}"
        net.modulation(cond, 4, (4, 1), "film", np.full((2, 4), 0.25 * i))
    assert sum(n.op == "Linear" for n in net.b.graph.nodes) == 2
    net.output("s0.film.gamma.row", "first"), net.output("s2.film.gamma.row", "last")
    net.build()


# -- loops ---------------------------------------------------------------------------------------------------------


def test_tables_are_their_papers_rules(rng):
    alphas = cosine_alphas(20)
    x, eps, z = rng.normal(size=(3, 8))
    assert (np.diff(alphas) < 0).all() and 0.99 < alphas[0] < 1 and alphas[-1] < 1e-4
    u = ddim(alphas, 5)[1]  # times 16, 12, 8, 4, 0
    clean = (x - np.sqrt(1 - alphas[12]) * eps) / np.sqrt(alphas[12])
    assert u.time == 12 and np.allclose(
        u.keep * x + u.model * eps, np.sqrt(alphas[8]) * clean + np.sqrt(1 - alphas[8]) * eps
    )
    u = ddim(alphas, 5)[-1]
    assert np.allclose(u.keep * x + u.model * eps, (x - np.sqrt(1 - alphas[0]) * eps) / np.sqrt(alphas[0]))
    u, beta = ddpm(alphas)[4], 1 - alphas[15] / alphas[14]
    want = (x - beta / np.sqrt(1 - alphas[15]) * eps) / np.sqrt(1 - beta) + np.sqrt(beta) * z
    assert u.time == 15 and np.allclose(u.keep * x + u.model * eps + u.noise * z, want)
    assert ddpm(alphas)[-1].noise == 0 and len(ddpm(alphas)) == 20
    assert [u.time for u in euler(4)] == [0, 0.25, 0.5, 0.75] and sum(u.model for u in euler(4)) == 1


def test_ddim_undoes_noise_that_is_known(rng):
    """With the true noise as prediction every schedule ends at the clean sample."""
    alphas, clean, eps = cosine_alphas(50), rng.normal(size=8), rng.normal(size=8)
    for steps in (1, 5, 25):
        table = ddim(alphas, steps)
        at = alphas[int(table[0].time)]
        x = np.sqrt(at) * clean + np.sqrt(1 - at) * eps
        for u in table:
            x = u.keep * x + u.model * eps
        assert np.allclose(x, clean)


def test_a_loop_is_its_table(rng):
    """Predicting x itself: each step is x * (keep + model) + noise * z, rounded at most twice."""
    net, table = Net("loop"), [Update(2, 0.75, 0.125, 0.5), Update(1, 0.5, 0.25)]
    x, noise = net.input("x", (3, 2), scale=2.0**-5), net.input("noise", (2, 3, 2), scale=2.0**-5)
    times = []
    y = unroll(net, x, table, lambda x, time: times.append(time) or x, 2, noise)
    want = net.real(x) * 0.875 + 0.5 * net.real(noise)[:, 0]
    rounding = 0.5 + 0.5 * net.b.tensor("x0.x.next").scale / net.b.tensor("x0.x.noisy").scale
    assert times == [2, 1] and steps_off(net, "x0.x.noisy", want) <= rounding
    assert steps_off(net, y, net.real("x0.x.noisy") * 0.75) <= 0.5 and net.step == ""
    net.output(y, "y")
    assert run(net.build(), {n: np.zeros((1, *net.shape(n)), int) for n in ("x", "noise")})["y"].shape == (1, 3, 2)


def test_loops_refuse_what_does_not_fit():
    net = Net("refused")
    x, noise = net.input("x", (3, 2)), net.input("noise", (4, 3, 2))
    with pytest.raises(InputError, match="table of 'x' has 5 steps, but the loop has 4"):
        unroll(net, x, euler(5), lambda x, _: x, 4)
    with pytest.raises(InputError, match=r"noise 'noise' has shape \(4, 3, 2\); 5 steps of 'x' need \(5, 3, 2\)"):
        unroll(net, x, ddpm(cosine_alphas(5)), lambda x, _: x, 5, noise)
    with pytest.raises(InputError, match=r"adds noise; give it as an input of shape \(5, 3, 2\)"):
        unroll(net, x, ddpm(cosine_alphas(5)), lambda x, _: x, 5)
    with pytest.raises(InputError, match="loop of 'x' has 0 steps; take 1 or more"):
        unroll(net, x, [], lambda x, _: x, 0)
    with pytest.raises(GraphError, match=r"node 'x0.a.q': the network in the loop of 'x' makes \(3, 5\) from \(3, 2\)"):
        unroll(net, x, euler(2), lambda x, _: net.dense(x, 5, "a"), 2)
    with pytest.raises(InputError, match="30 DDIM steps do not fit a schedule of 20 times"):
        ddim(cosine_alphas(20), 30)
    with pytest.raises(InputError, match="schedule of 0 times; take 1 or more"):
        cosine_alphas(0)


def test_sinusoids():
    assert np.allclose(sinusoid(0.0, 6), [0, 0, 0, 1, 1, 1]) and np.isclose(sinusoid(2.0, 6)[0], np.sin(2))
