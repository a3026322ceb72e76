"""Modules of the array side under this folder's benches, and what the benches share."""

import os
from pathlib import Path

import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

from hwgen.runtime import abi
from tests.rtl.runner import engine_sources
from tests.rtl.runner import run_bench as run

HERE = Path(__file__).resolve().parent
MEMORIES = ("delay", "delay_valid", "ram_1r1w", "wide_mem")
ARRAY = ("delay", "delay_valid", "mac_pair", "adder_tree", "mac_array")
UNIT = (
    *MEMORIES, "prog_queue", "need_wait", "mm_sequencer", *ARRAY[2:], "requantize", "lookup_lane", "mm_writeback",
    "kv_mem", "mm_unit",
)  # fmt: skip


def run_bench(tmp_path: Path, top: str, modules: tuple[str, ...], seed: int, env=None, bench: str = "", **parameters):
    """Run bench_<top> (or `bench`) on module `top`; `modules` are its library, it among them unless it is a tb_."""
    sources = [*engine_sources(*modules), *([HERE / f"{top}.sv"] if top.startswith("tb_") else [])]
    values = {name.upper(): value for name, value in parameters.items()}
    name = bench or f"bench_{top.removeprefix('tb_')}"
    run(tmp_path, sources, top, f"tests.rtl.array.{name}", values | (env or {}), seed=seed, **values)


def draw(more: int = 0) -> np.random.Generator:
    """A generator on the pytest test's seed, another one for each `more`."""
    return np.random.default_rng((int(os.environ["SEED"]), more))


def count(clocks: int) -> int:
    """So many, and more in the full test run."""
    return clocks * int(os.environ.get("SCALE", "1"))


def signed(value: int, bits: int) -> int:
    """Two's complement of so many bits."""
    return value - ((value >> (bits - 1) & 1) << bits)


def lanes(handle, width: int, number: int, is_signed: bool = False) -> list[int]:
    """A packed array's elements."""
    word = int(handle.value)
    out = [word >> (width * i) & ((1 << width) - 1) for i in range(number)]
    return [signed(v, width) for v in out] if is_signed else out


def packed(values, width: int) -> int:
    """Elements as one packed array, the first at bit 0."""
    return sum((int(v) & ((1 << width) - 1)) << (width * i) for i, v in enumerate(values))


async def settle() -> None:
    """Let combinational outputs follow the inputs of this clock."""
    await ReadOnly()


async def tick(dut) -> None:
    """To the middle of the next clock."""
    await FallingEdge(dut.clk_i)


async def load(dut, target: str, words: list[bytes]) -> None:
    """Write words over the loader bus, one beat a clock, as the loader does; a table's beats are its entries."""
    dut.ld_we_i.value = 1
    dut.ld_target_i.value = abi.TARGETS[target]
    for w, word in enumerate(words):
        size = 1 if target == "TABLE" else abi.BEAT_BYTES
        for beat in range(len(word) // size):
            dut.ld_word_i.value, dut.ld_beat_i.value = w, beat
            dut.ld_data_i.value = int.from_bytes(word[beat * size : (beat + 1) * size], "little")
            await tick(dut)
    dut.ld_we_i.value = 0
