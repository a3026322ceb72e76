"""The engine in Python: decodes a load image by the tables of `abi` and runs it, clock by clock.

Slow, short, and independent of the compiler: it sees the image, the engine's parameters and the input bytes, nothing
else. So what it computes is what the image says. It keeps the engine's clocks (docs/engine.md), and it refuses what
the memory cannot do: two accesses to one port of a bank in one clock, and a byte read in the clock of its write.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from hwgen.graph.golden import normalize, reciprocal, round_shift
from hwgen.runtime import abi
from hwgen.schedule import EngineConfig
from tests.schedule import input_unit, stream_unit
from tests.schedule.decode import fields, lane_word, steps, weight_word, words

EXEC, NOP = abi.OPCODES["EXEC"], abi.OPCODES["NOP"]
UNIT = {code: name for name, code in abi.UNITS.items()}
GROUPS = 17  # group norm: last word of pass 1 -> the last pass, besides the clocks for its channels
STATS, MOST, SUM, WRITE = 11, 4, 9, 12  # row unit: between a row's passes (norm; softmax's two); last pass -> write
TO_BUS, TO_DONE = 5, 4 + 2  # output: word allowed -> first beat; last beat -> response -> DONE
INPUT_TO_DONE = 2  # last beat of an input that the answer did not wait for -> DONE
LIMIT = 200_000


class Conflict(AssertionError):
    """Two units use one memory port in one clock, or a byte is read in the clock in which it is written."""


@dataclass
class Result:
    """One run: the output buffer's bytes, the clock of DONE, and what the array's counters show."""

    output: bytearray = field(default_factory=bytearray)
    latency: int = 0
    issued: int = 0
    waits: Counter = field(default_factory=Counter)


class Engine:
    """One engine with a loaded image. gap: extra clocks before each input beat and each output word (a slow memory)."""

    def __init__(
        self,
        image: bytes,
        config: EngineConfig,
        rng: np.random.Generator,
        gap: Callable[[], int] = int,
        streamed: bytes = b"",
    ):
        self.config, self.rng, self.gap, self.memory_words = config, rng, gap, words(image, config)
        self.weights = [weight_word(w, config) for w in self.memory_words["WEIGHT"]]
        noise = config.weight_depth - len(self.weights) if config.stream_ports else 0
        self.weights += [rng.integers(-8, 8, (config.m, config.n)) for _ in range(noise)]
        self.streamed = streamed
        self.params = [lane_word(w) for w in self.memory_words["PARAM"]]
        self.row_params = [lane_word(w) for w in self.memory_words["ROW_PARAM"]]
        self.vec_params = [lane_word(w) for w in self.memory_words["VEC_PARAM"]]
        self.tables = [np.frombuffer(w, np.uint8) for w in self.memory_words["TABLE"]]
        self.exponentials = [np.frombuffer(w, "<u4")[::4].astype(np.int64) for w in self.memory_words["SOFTMAX_TABLE"]]
        # what nobody wrote is noise: nothing may depend on it
        self.kv_written = np.zeros(config.kv_depth, np.int64)  # the clock of each word's last write
        self.kv = rng.integers(-128, 128, (config.kv_depth, config.m, config.n))
        self.banks = rng.integers(0, 256, (config.banks, config.act_depth * config.v), np.uint8)

    def program(self, unit: str) -> list[dict[str, int]]:
        """The unit's instructions."""
        code = [fields(abi.INSTRUCTIONS[unit], word) for word in self.memory_words[f"PROG_{unit}"]]
        assert [ins["last"] for ins in code] == [0] * (len(code) - 1) + [1] * bool(code)
        assert all(ins["opcode"] in (EXEC, NOP) for ins in code)
        return code

    def run(self, inputs: bytes, out_bytes: int) -> Result:
        """Run the program once on the input buffer's bytes."""
        self.inputs, self.result = inputs, Result(bytearray(out_bytes))
        self.progress = dict.fromkeys(abi.UNITS, 0)
        self.kv_written[:] = 0
        self.reads, self.writes, self.ends = defaultdict(list), defaultdict(list), defaultdict(list)  # by clock
        self.last_beat = self.input_end = 0
        units = [input_unit.run(self), self._mm(), self._dout()] + ([self._row()] if self.config.has_rows else [])
        units += [self._vec()] if self.config.vec_param_depth else []
        units += [stream_unit.run(self)] if self.config.stream_ports else []
        self.clock = 0
        while units or self.reads or self.writes or self.ends:
            self.clock += 1
            assert self.clock < LIMIT, "the program never ends"
            self._memory(self.clock)
            units = [unit for unit in units if next(unit, "done") != "done"]
        self.result.latency = max(self.last_beat + TO_DONE, self.input_end + INPUT_TO_DONE)
        return self.result

    # --- memory -----------------------------------------------------------------------------------------------------
    def _memory(self, clock: int) -> None:
        """All accesses of a clock, reads before writes; a write shows in the unit's counter in the same clock."""
        reads, writes = self.reads.pop(clock, []), self.writes.pop(clock, [])
        for what, accesses in (("read", reads), ("write", writes)):
            banks = Counter(access[1] for access in accesses)
            for bank, count in banks.items():
                if count > 1:
                    who = [access[0] for access in accesses if access[1] == bank]
                    raise Conflict(f"clock {clock}: {' and '.join(who)} {what} bank {bank}")
        for who, bank, at, size, then in reads:
            for writer, other, start, data, _ in writes:
                if other == bank and start < at + size and at < start + len(data):
                    raise Conflict(f"clock {clock}: {who} reads bank {bank} byte {at} while {writer} writes it")
            then(self.banks[bank, at : at + size].copy())
        for end in self.ends.pop(clock, []):
            end()
        for who, bank, at, data, counted in writes:
            self.banks[bank, at : at + len(data)] = data
            self.progress[who] += counted

    def _read(self, clock: int, who: str, bank: int, at: int, size: int, then: Callable) -> None:
        self.reads[clock].append((who, bank, at, size, then))

    def write(self, clock: int, who: str, bank: int, at: int, data: np.ndarray, counted: int) -> None:
        """The write request is seen in `clock`; `counted` octets are added to the progress counter there."""
        self.writes[clock].append((who, bank, at, data, counted))

    def reached(self, unit: int, count: int) -> bool:
        return UNIT[unit] == "NONE" or self.progress[UNIT[unit]] >= count

    def _gate(self, ins: dict[str, int]) -> Iterator[None]:
        while not self.reached(ins["gate_unit"], ins["gate"]):
            yield

    # --- units: generators that yield once a clock, from clock 1 on --------------------------------------------------
    def _mm(self) -> Iterator[None]:
        self._wait("DIN")
        yield  # clock 1: the first instruction is taken
        for ins in self.program("MM"):
            if ins["opcode"] == NOP:
                while not self.reached(ins["gate_unit"], ins["gate"]):
                    self._wait(UNIT[ins["gate_unit"]])
                    yield
                self._wait(UNIT[7])
                yield
                continue
            group: dict = {}
            for step in steps(ins):
                while not (gate := self.reached(ins["gate_unit"], ins["gate"])) or not (
                    step["pad"] or self.reached(ins["dep_unit"], step["need"])
                ):
                    self._wait(UNIT[ins["dep_unit" if gate else "gate_unit"]])
                    yield
                group = self._issue(ins, step, group)
                yield

    def _wait(self, unit: str) -> None:
        self.result.waits[{"MM": "MM", "ROW": "ROW", "VEC": "ROW"}.get(unit, "DIN")] += 1

    def _issue(self, ins: dict[str, int], step: dict[str, int], group: dict) -> dict:
        """One step of the array; returns the group's sum, a new one at its first step."""
        c, clock = self.config, self.clock
        self.result.issued += 1
        if step["first"]:
            group = {"sum": np.zeros(c.m, np.int64)}
        weights = self._kv(step["w"]) if ins["w_bank"] == abi.W_BANKS["KV"] else self.weights[step["w"]]

        def accumulate(data: np.ndarray) -> None:
            a = data.view(np.int8) if ins["a_signed"] else data
            group["sum"] = group["sum"] + weights @ a.astype(np.int64)

        if step["pad"]:
            assert c.padded
        else:
            self._read(clock + 1, "MM", ins["a_bank"], c.n * step["a"], c.n, accumulate)
        if step["last"]:
            read = clock + 4 + c.tree_stages
            if ins["residual"]:
                assert c.residual
                residual = (read, "MM", ins["r_bank"], c.m * step["r"], c.m)
                self._read(*residual, lambda data: group.update(residual=data))
            self.ends[read].append(lambda: self._end(ins, step, group, clock))
        return group

    def _end(self, ins: dict[str, int], step: dict[str, int], group: dict, issued: int) -> None:
        """Requantize a group and write it."""
        c, p = self.config, self.params[step["p"]]
        v = group["sum"] * p["mult"] + p["bias"]
        if ins["relu"]:
            v = np.maximum(v, 0)
        if ins["residual"]:
            r = group["residual"].view(np.int8) if ins["r_signed"] else group["residual"]
            v = v + r.astype(np.int64) * p["rmult"]
        lo, hi = (-(2**31), 2**31 - 1) if ins["wide"] else (ins["lo"], ins["hi"])
        y = np.clip(round_shift(v, p["shift"]), lo, hi)
        if ins["lookup"]:
            y = self.tables[ins["slot"]][y & 255].astype(np.int64)
        if ins["o_kind"] != abi.O_KINDS["ACTIVATIONS"]:
            self._store(issued + c.pipe, ins["o_kind"], step["o"], y)
            return
        planes = 4 if ins["wide"] else 1
        for k in range(planes):
            data, at = (y >> (8 * k) & 255).astype(np.uint8), c.m * (step["o"] + k)
            self.write(issued + c.pipe + k, "MM", ins["o_bank"], at, data, c.m // 8 if k == planes - 1 else 0)

    def _kv(self, word: int) -> np.ndarray:
        """A word of the KV memory; each byte must have been written before the clock in which it is read."""
        if word >= len(self.kv):
            return self.rng.integers(-128, 128, self.kv.shape[1:])
        assert self.kv_written[word] < self.clock + 1, f"clock {self.clock}: KV word {word} is being written"
        return self.kv[word].copy()

    def _store(self, clock: int, kind: int, at: int, y: np.ndarray) -> None:
        """A group of results into the KV memory, as kv_mem.sv lays it out."""
        c, values = self.config, y.astype(np.int8).astype(np.int64)
        each, parts = max(c.m // c.n, 1), max(c.n // c.m, 1)
        places = []
        if kind == abi.O_KINDS["VALUES"]:
            places = [(at // c.n, slice(None), at % c.n, values, clock)]
        else:
            word, column, size = at // (parts * c.m) * each, at // parts % c.m, min(c.m, c.n)
            for j in range(each):
                lanes = slice(at % parts * size, at % parts * size + size)
                places.append((word + j, column, lanes, values[j * size : j * size + size], clock + j))
        for word, column, lanes, data, when in places:
            assert self.kv_written[word] < when, f"clock {when}: two writes to KV word {word}"
            self.kv_written[word] = when

            def put(word: int = word, column=column, lanes=lanes, data: np.ndarray = data) -> None:
                self.kv[word, column, lanes] = data

            self.ends[when].append(put)

        def count() -> None:
            self.progress["MM"] += c.m // 8

        self.ends[places[-1][-1]].append(count)

    def _row(self) -> Iterator[None]:
        v = self.config.v
        for ins in self.program("ROW"):
            yield from self._gate(ins)
            yield  # the instruction is taken
            if ins["opcode"] == NOP:
                continue
            softmax, grouped = (ins["op"] == abi.ROW_OPS[name] for name in ("SOFTMAX", "GROUPNORM"))
            tensor: list[list[np.ndarray]] = []
            between = MOST + ins["words"] - 1 + SUM if softmax else STATS
            for row in range(ins["rows"]):
                src, dst, data = ins["src"] + row * ins["src_stride"], ins["dst"] + row * ins["dst_stride"], []
                for k in range(ins["words"]):
                    while not self.reached(ins["dep_unit"], ins["need"] + (row * ins["words"] + k) * ins["need_step"]):
                        yield
                    self._read(self.clock + 1, "ROW", ins["src_bank"], v * (src + k), v, data.append)
                    last_pass = self.clock + between  # go of its first word
                    yield
                tensor.append(data)
                if not grouped:
                    self.ends[last_pass].append(lambda ins=ins, dst=dst, data=data: self._write_row(ins, dst, data))
            if grouped:
                last_pass = yield from self._groups(ins, tensor)
            while self.clock < last_pass + ins["words"]:
                yield

    def _vec(self) -> Iterator[None]:
        yield  # clock 1: the first instruction is taken
        for ins in self.program("VEC"):
            yield from self._gate(ins)
            if ins["opcode"] == NOP:
                yield
                continue
            word: dict = {}
            for step in steps(ins):
                while not (step["pad"] or self.reached(ins["dep_unit"], step["need"])):
                    yield
                word = {} if step["first"] else word
                self._tap(ins, step, word)
                yield

    def _tap(self, ins: dict[str, int], step: dict[str, int], word: dict) -> None:
        """One step of the vector unit, part of the output `word`."""
        clock, v = self.clock, self.config.v

        def read(who: str, bank: int, at: int, signed: int, then: Callable[[np.ndarray], None]) -> None:
            then_value = lambda data: then((data.view(np.int8) if signed else data).astype(np.int64))  # noqa: E731
            self._read(clock + 1, who, bank, v * at, v, then_value)

        def largest(x: np.ndarray) -> None:
            word["u"] = np.maximum(word.get("u", x), x)

        if ins["op"] == abi.VEC_OPS["MAXPOOL"]:
            if step["pad"]:
                largest(np.full(v, -128 if ins["a_signed"] else 0))
            else:
                read("VEC a", ins["a_bank"], step["a"], ins["a_signed"], largest)
        elif step["first"]:
            read("VEC a", ins["a_bank"], step["a"], ins["a_signed"], lambda x: word.update(u=x * word.get("u", 1)))
            read("VEC b", ins["b_bank"], step["w"], ins["b_signed"], lambda x: word.update(u=x * word.get("u", 1)))
        else:
            assert ins["residual"] and self.config.vec_residual
            read("VEC r", ins["r_bank"], step["r"], ins["r_signed"], lambda x: word.update(r=x))
        if step["last"]:
            self.ends[clock + 1].append(lambda: self._word(ins, step, word, clock + self.config.vec_pipe))

    def _word(self, ins: dict[str, int], step: dict[str, int], word: dict, clock: int) -> None:
        """Requantize a word of the vector unit and write it in `clock`."""
        p, v = self.vec_params[step["p"]], self.config.v
        x = word["u"] * p["mult"] + p["bias"]
        x = (np.maximum(x, 0) if ins["relu"] else x) + word.get("r", 0) * p["rmult"]
        y = np.clip(round_shift(x, p["shift"]), ins["lo"], ins["hi"])
        self.write(clock, "VEC", ins["o_bank"], v * step["o"], (y & 255).astype(np.uint8), v // 8)

    def _write_row(self, ins: dict[str, int], dst: int, data: list[np.ndarray]) -> None:
        """The last pass over a row begins: `data` are the words of the first."""
        v, n = self.config.v, ins["length"]
        x = np.concatenate(data)[:n]
        x = (x.view(np.int8) if ins["x_signed"] else x).astype(np.int64)
        beyond = self.rng.integers(0, 256, ins["words"] * v - n)  # zeros, which only softmax's readers rely on
        softmax = ins["op"] == abi.ROW_OPS["SOFTMAX"]
        y = [self._softmax(ins, x), 0 * beyond] if softmax else [self._norm(ins, x), beyond]
        row = np.concatenate(y).astype(np.uint8)
        for k in range(ins["words"]):
            self.write(self.clock + k + WRITE, "ROW", ins["dst_bank"], v * (dst + k), row[v * k : v * k + v], v // 8)

    def _groups(self, ins: dict[str, int], tensor: list[list[np.ndarray]]) -> Iterator[None]:
        """A group norm's last pass, which reads every row again; returns the go of the last row's first word."""
        v, n, group, words = self.config.v, ins["length"], ins["group"], ins["words"]
        go = self.clock - 1 + (group + n) // (1 if group % 4 else 4) + GROUPS
        while self.clock < go:
            yield
        x = np.stack([np.concatenate(row)[:n] for row in tensor])
        x = (x.view(np.int8) if ins["x_signed"] else x).astype(np.int64)
        assert ins["elements"] == group * len(x)
        z = normalize(x.T.reshape(-1, ins["elements"]), ins["eps"], False).reshape(n, len(x)).T
        y = np.pad(self._lanes(ins, z), ((0, 0), (0, words * v - n))).astype(np.uint8)
        for row in range(len(x)):
            src, dst = (ins[end] + row * ins[f"{end}_stride"] for end in ("src", "dst"))
            for k in range(words):
                self._read(go + 1, "ROW", ins["src_bank"], v * (src + k), v, lambda _: None)
                self.write(go + WRITE, "ROW", ins["dst_bank"], v * (dst + k), y[row, v * k : v * k + v], v // 8)
                go += 1
        return go - words

    def _softmax(self, ins: dict[str, int], x: np.ndarray) -> np.ndarray:
        t = self.exponentials[ins["slot"]][x.max() - x]
        r, e = reciprocal(t.sum())
        r = (r * ins["mult"] + (1 << 15)) >> 16
        return np.clip(round_shift(t * r, ins["shift"] + e), ins["lo"], ins["hi"])

    def _norm(self, ins: dict[str, int], x: np.ndarray) -> np.ndarray:
        return self._lanes(ins, normalize(x, ins["eps"], ins["op"] == abi.ROW_OPS["RMSNORM"]))

    def _lanes(self, ins: dict[str, int], z: np.ndarray) -> np.ndarray:
        """Normalized elements [.., length] with each channel's parameters."""
        p = self.row_params[ins["param"] : ins["param"] + ins["words"]]
        p = {name: np.concatenate([word[name] for word in p])[: ins["length"]] for name in p[0]}
        return np.clip(round_shift(z * p["mult"] + p["bias"], p["shift"]), ins["lo"], ins["hi"])

    def _dout(self) -> Iterator[None]:
        v = self.config.v
        for ins in self.program("DOUT"):
            yield from self._gate(ins)
            if ins["opcode"] == NOP:
                yield
                continue
            size = 16 * ins["beats"]
            for k in range(-(-size // v)):
                for _ in range(self.gap()):
                    yield
                while not self.reached(ins["dep_unit"], ins["need"] + k * ins["need_step"]):
                    yield
                first = max(self.last_beat + 1, self.clock + TO_BUS)
                part = min(v, size - k * v)
                self.last_beat = first + part // 16 - 1
                at = ins["offset"] + k * v

                def store(data: np.ndarray, at: int = at, part: int = part) -> None:
                    self.result.output[at : at + part] = data[:part].tobytes()

                self._read(self.clock + 1, "DOUT", ins["bank"], 16 * ins["addr"] + k * v, v, store)
                yield
