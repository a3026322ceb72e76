"""Inputs into the activations and outputs out of them -> instructions."""

from __future__ import annotations

from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.instructions import Din, Dout, Gate, Nop
from hwgen.schedule.plan import INPUTS
from hwgen.schedule.weights import OCTET
from hwgen.schedule.windows import Stream, Windows


def inputs(emitter) -> None:
    """Emit the copy of what lies at the front of the input buffer, and the images behind it.

    emitter: the emitter that begins, whose program and progress are extended.
    """
    copied = min((image.offset for image in emitter.plan.images.values()), default=emitter.plan.in_bytes)
    if copied:
        bank, beats = emitter.plan.buffers[INPUTS].bank, -(-copied // BEAT_BYTES)
        emitter.program.din.append(Din(0, beats, bank, emitter.byte(INPUTS, 0) // BEAT_BYTES))
    emitter.total["DIN"] = -(-copied // BEAT_BYTES) * BEAT_BYTES // OCTET
    _images(emitter)


def _images(emitter) -> None:
    """Images into the ring, and their windows out of it; each is asked for while the one before comes in."""
    streams, walks, beats = [], [], 0
    for image in emitter.plan.images.values():
        g, at = image.geometry, beats * BEAT_BYTES
        beats += g.beats
        emitter.total["DIN"] += g.rows * g.cols * image.pitch // OCTET
        streams.append(Stream(image.offset, g.beats))
        walks.append(emitter.walks.setdefault(image.name, []))
        for row in range(0, g.rows, image.band):
            half = row // image.band % 2 * image.band_bytes
            address = emitter.byte(INPUTS, image.start + half) // BEAT_BYTES
            place = emitter.plan.buffers[INPUTS].bank, address, row, min(image.band, g.rows - row)
            walks[-1].append(Windows(g, emitter.config.v, at, beats, *place, image.clocks, name=image.name))
    for i, walk in enumerate(walks):
        emitter.program.din += [*streams[i + (i > 0) : i + 2], *walk]


def outputs(emitter) -> None:
    """Emit each output's rows, in order; the last may leave while it is being written, others wait for all units."""
    cfg, offset = emitter.config, 0
    for i, output in enumerate(emitter.plan.outputs):
        joined = len(emitter.plan.buffers[output.buffer].writers) > 1
        last = output.op == len(emitter.plan.ops) - 1 and i == len(emitter.plan.outputs) - 1 and not joined
        follow = None
        if last and not emitter.plan.serial:
            follow = emitter.follow(output.buffer, [output.op], "DOUT")
        loose = set(range(len(emitter.after))) - emitter.complete_with([output.op])
        if follow is not None:
            dep, need, step = follow[0], follow[1] + output.start // OCTET + cfg.v // OCTET, cfg.v // OCTET
            gates = [Gate(unit, count) for unit, count in emitter.octets_of(loose).items()] or [Gate()]
        else:
            dep, need, step = "MM", emitter.total["MM"], 0
            gates = [Gate(unit, emitter.total[unit]) for unit in ("VEC", "ROW") if unit == "ROW" or emitter.total[unit]]
        emitter.program.dout += [Nop(gate) for gate in gates[:-1]]
        gate = gates[-1]
        size = output.size // output.rows
        size = _wide_bytes(size, cfg.m) if output.wide else size
        beats = -(-size // BEAT_BYTES)
        output.offset = offset
        for row in range(output.rows):
            address = emitter.byte(output.buffer, output.start + row * output.pitch) // BEAT_BYTES
            bank, before = emitter.plan.buffers[output.buffer].bank, row * output.pitch // OCTET if step else 0
            emitter.program.dout.append(Dout(offset, beats, bank, address, dep, need + before, step, gate))
            offset += beats * BEAT_BYTES
        offset = -(-offset // 64) * 64
    emitter.plan.out_bytes = offset


def _wide_bytes(size: int, m: int) -> int:
    """Bytes of a 32-bit vector in byte planes."""
    return -(-size // m) * m * 4
