"""The stream unit of the interpreter: weight words out of the regions of its ports, clock by clock."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from hwgen.runtime import abi
from tests.schedule.decode import weight_word
from tests.schedule.input_unit import EXEC, TO_DATA

COUNTS = 2  # a word's last beat -> its counter


def run(engine) -> Iterator[None]:
    """The STREAM program of an interpreter's engine, a clock at each yield. All ports run alike; each beat of the
    slowest may come later by the engine's `gap`."""
    ports = engine.config.stream_ports
    mine = engine.config.stream_beats
    free = 0  # the clock from which the ports have beats for the next block
    for ins in engine.program("STREAM"):
        while not engine.reached(ins["gate_unit"], ins["gate"]):
            yield
        if ins["opcode"] == EXEC:
            free = max(free, engine.clock + TO_DATA)
            for k in range(ins["words"]):
                free += mine + engine.gap()
                engine.ends[free - 1 + COUNTS].append(partial(_arrives, engine, ins, k, ports, mine))
        yield


def _arrives(engine, ins: dict[str, int], k: int, ports: int, mine: int) -> None:
    word = b""
    for port in range(ports):
        at = (ins["offset"] + port * ins["stride"] + k * mine) * abi.BEAT_BYTES
        word += engine.streamed[at : at + mine * abi.BEAT_BYTES]
    engine.weights[ins["word"] + k] = weight_word(word[: engine.config.weight_beats * abi.BEAT_BYTES], engine.config)
    engine.progress["STREAM"] += 1
