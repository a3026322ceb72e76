"""The pool of simulated DDR: buffers never overlap, and what is given back can be taken again."""

import pytest

from hwgen.runtime.memory import PAGE, Pool
from tests.support import cases


def test_random_use(rng):
    base, size = 0x8_0000_0000, 64 * PAGE
    pool, live = Pool(base, size), {}
    for _ in range(cases(2000, 10_000)):
        if live and rng.random() < 0.5:
            address = list(live)[rng.integers(len(live))]
            pool.give_back(address)
            del live[address]
            continue
        nbytes = int(rng.integers(1, 10 * PAGE))
        try:
            address = pool.take(nbytes)
        except MemoryError:
            continue
        assert address % PAGE == 0 and base <= address and address + nbytes <= base + size
        assert all(address + nbytes <= at or at + length <= address for at, length in live.items())
        live[address] = -(-nbytes // PAGE) * PAGE
    for address in live:
        pool.give_back(address)
    assert pool.take(size) == base


def test_an_odd_base_begins_on_the_next_page():
    assert Pool(PAGE + 5, 3 * PAGE).take(1) == 2 * PAGE


def test_a_full_pool_and_a_foreign_address():
    pool = Pool(0, 2 * PAGE)
    pool.take(PAGE)
    with pytest.raises(MemoryError, match="1 buffers are live"):
        pool.take(PAGE + 1)
    with pytest.raises(KeyError):
        pool.give_back(PAGE)
