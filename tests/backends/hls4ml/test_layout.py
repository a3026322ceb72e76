import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwgen.backends.hls4ml.layout import Layout, channels_last, plain, same_data

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@st.composite
def layouts(draw):
    shape = draw(SHAPES)
    return Layout(shape, tuple(draw(st.permutations(range(len(shape))))))


@given(layouts())
def test_elements_are_where_the_order_says(layout):
    x = np.random.default_rng(0).integers(0, 100, layout.shape)
    stored = x.transpose(layout.order)
    assert stored.shape == layout.hls_shape
    assert (x.reshape(-1)[layout.elements()] == stored.reshape(-1)).all()


@given(layouts(), st.data())
def test_a_transposition_moves_nothing(layout, data):
    perm = tuple(data.draw(st.permutations(range(len(layout.shape)))))
    x = np.arange(np.prod(layout.shape)).reshape(layout.shape)
    moved = layout.transposed(perm)
    assert (x.transpose(perm).transpose(moved.order) == x.transpose(layout.order)).all()


@given(layouts(), st.data())
def test_same_data_is_about_elements(layout, data):
    other = Layout(layout.shape, tuple(data.draw(st.permutations(range(len(layout.shape))))))
    assert same_data(layout, other) == np.array_equal(layout.elements(), other.elements())
    assert layout.is_plain == np.array_equal(layout.elements(), plain(layout.shape).elements())


def test_channels_last():
    assert channels_last((3, 8, 9)).hls_shape == (8, 9, 3)
    assert same_data(channels_last((3, 1, 1)), plain((3, 1, 1)))
