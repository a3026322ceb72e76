"""Random programs of the row unit over a random memory, and golden's results for them."""

from dataclasses import dataclass

import numpy as np

from hwgen.graph import golden, ops
from hwgen.graph.golden import normalize, round_shift
from hwgen.runtime import abi

BANKS = 4
NONE = abi.UNITS["NONE"]
NEVER = 1 << 23  # a count that no run reaches: units that do not wait must not look at it


@dataclass
class Instruction:
    """One instruction's fields, readable as attributes."""

    fields: dict
    signed: bool

    def __getattr__(self, name):
        return self.fields[name]


def element_rows(rng, rows, d, signed):
    """Rows of elements: noise of any size, constants, extremes, single spikes."""
    lo, hi = (-128, 127) if signed else (0, 255)
    out = np.empty((rows, d), np.int64)
    for r in range(rows):
        kind = rng.integers(0, 8)
        if kind < 3:
            out[r] = rng.integers(lo, hi + 1, d)
        elif kind == 3:
            out[r] = np.clip(np.round(rng.normal(rng.integers(lo, hi + 1), rng.random() * 30, d)), lo, hi)
        elif kind == 4:
            out[r] = rng.choice([lo, hi, 0])
        elif kind == 5:
            out[r] = rng.integers(lo, hi + 1)
        elif kind == 6:
            out[r] = rng.choice([lo, hi], d)
        else:
            out[r] = rng.choice([lo, 0, hi])
            out[r, rng.integers(0, d)] = rng.integers(lo, hi + 1)
    return out


def draw_params(rng, count):
    """Channel parameters: mult, shift, bias; most give outputs that are not all clamped."""
    mult = rng.integers(-(2**17), 2**17, count)
    small = rng.random(count) < 0.3
    mult = np.where(small, rng.integers(-300, 300, count), mult)
    # z is Q20 of about -3..3, so z * mult >> shift is about mult * 2**(20 - shift)
    magnitude = np.maximum(1, np.abs(mult))
    shift = np.clip(20 + np.floor(np.log2(magnitude)).astype(int) - rng.integers(3, 8, count), 0, 63)
    shift = np.where(rng.random(count) < 0.05, rng.integers(0, 64, count), shift)
    bias = (rng.normal(0, 60, count) * 2.0 ** np.minimum(shift, 38)).astype(np.int64)
    top = 2**47 - 1
    bias = np.where(rng.random(count) < 0.05, rng.choice([-top, top]), np.clip(bias, -top, top))
    return {"mult": mult, "shift": shift.astype(np.int64), "bias": bias}


def draw_tables(rng, count):
    """Tables of exponentials: of real steps from almost none to one that leaves only the maximum."""
    steps = rng.choice([0.0, 1e-4, 2.0**-6, 2.0**-4, 0.1, 0.5, 1.0, 20.0], count)
    return np.round(2.0**23 * np.exp(-np.arange(256) * steps[:, None])).astype(np.int64)


def softmax_row(x, ins, tables):
    """Golden's Softmax of one row."""
    node = ops.Softmax(
        name="softmax", inputs=["x"], output="y", table=tables[ins.slot], mult=ins.mult, shift=ins.shift, step=1.0,
        lo=ins.lo, hi=ins.hi,
    )  # fmt: skip
    return golden.softmax(node, [x[None]], [])[0]


def norm_rows(x, ins, params):
    """Golden's LayerNorm of each row x [rows, length], or GroupNorm of all; params are the channels'."""
    if ins.op == abi.ROW_OPS["GROUPNORM"]:
        groups = x.reshape(len(x), -1, ins.group).transpose(1, 0, 2).reshape(-1, ins.elements)
        z = normalize(groups, ins.eps, False).reshape(-1, len(x), ins.group).transpose(1, 0, 2).reshape(x.shape)
    else:
        z = normalize(x, ins.eps, ins.op == abi.ROW_OPS["RMSNORM"])
    v = z * params["mult"] + params["bias"]
    assert (np.abs(z) < 2**31).all() and (np.abs(v) < 2**51).all()
    return np.clip(round_shift(v, params["shift"]), ins.lo, ins.hi)


def as_word(values):
    """Bytes of one memory word as an integer."""
    return int.from_bytes(bytes(int(v) & 255 for v in values), "little")


class Program:
    """A random program and the memory it works on: memory[bank][address] is a word."""

    def __init__(self, rng, params, tables, v, depth, longest, group_words):
        self.v, self.depth, self.longest = v, depth, longest  # bytes of a word, words of parameters, longest row
        self.tables, self.group_words = tables, group_words  # of softmax; words of a row of a GroupNorm, at most
        self.memory = [dict() for _ in range(BANKS)]
        self.instructions = []
        self.params = params
        self.counts = {"din": 0, "mm": 0, "row": 0}  # reached by needs so far
        self.free = int(rng.integers(0, 1 << 15))  # addresses are handed out once, so that nothing overlaps
        for _ in range(int(rng.integers(1, 5))):
            self.add(rng)
        if rng.random() < 0.3:
            at = int(rng.integers(0, len(self.instructions) + 1))
            nop = {"opcode": abi.OPCODES["NOP"], "last": 0, "gate_unit": NONE, "gate": 0}
            self.instructions.insert(at, Instruction(nop, False))
        self.instructions[-1].fields["last"] = 1

    def add(self, rng):
        """One more instruction: over new rows, or over the last one's result."""
        softmax = len(self.tables) > 0 and (self.depth == 0 or rng.random() < 0.4)
        grouped = not softmax and self.group_words > 0 and rng.random() < 0.4
        v, top = self.v, self.longest if softmax else min(self.longest, self.depth * self.v)
        top = min(top, self.group_words * v) if grouped else top
        signed = bool(rng.integers(0, 2))
        lo, hi = sorted(int(t) for t in rng.integers(-128, 256, 2))
        if rng.random() < 0.7:
            lo, hi = (-128, 127) if rng.random() < 0.7 else (0, 255)
        fields = {
            "opcode": abi.OPCODES["EXEC"], "last": 0, "op": 3 if softmax else 4 if grouped else int(rng.integers(1, 3)),
            "x_signed": int(signed), "lo": lo, "hi": hi,
            "eps": int(rng.choice([1, 2, 1 << 39, (1 << 40) - 1, int(2.0 ** (rng.random() * 39))])),
        }  # fmt: skip
        previous = self.instructions[-1].fields if self.instructions else None
        if softmax:
            mult = int(rng.choice([2**16, 2**17 - 1, rng.integers(2**16, 2**17)]))
            shift = int(rng.choice([31, 31, 31, 30, 1, 47, rng.integers(1, 48)]))
            fields |= {"mult": mult, "shift": shift, "slot": int(rng.integers(0, len(self.tables)))}
        chained = previous is not None and previous["length"] <= top and rng.random() < 0.25
        if chained:
            fields |= {name: previous[name] for name in ("length", "words", "rows")}
            fields |= {"src_bank": previous["dst_bank"], "src": previous["dst"], "src_stride": previous["dst_stride"]}
        else:
            d = min(top, int(rng.choice([1, 2, v - 1, v, v + 1, 2 * v, top, *rng.integers(1, top + 1, 6)])))
            fields |= {"length": d, "words": -(-d // v), "rows": int(rng.integers(1, 8))}
            fields |= self.place(rng, "src", fields["rows"], fields["words"])
        if grouped:
            widest = min(fields["length"], 2**14 - 1, (2**16 - 1) // fields["rows"])  # as the instruction counts
            divisors = [g for g in range(1, widest + 1) if fields["length"] % g == 0]
            group = int(rng.choice(divisors))
            fields |= {"group": group, "elements": group * fields["rows"]}
        if rng.random() < 0.2:
            fields |= {"dst" + part: fields["src" + part] for part in ("", "_bank", "_stride")}
        else:
            fields |= self.place(rng, "dst", fields["rows"], fields["words"])
        fields["param"] = 0 if softmax else int(rng.integers(0, self.depth - fields["words"] + 1))
        unit = "row" if chained else str(rng.choice(["din", "mm", "row", "none"]))
        fields |= self.wait(rng, unit, fields["rows"] * fields["words"])
        self.instructions.append(Instruction(fields, signed))
        if not chained:
            self.fill(rng, self.instructions[-1])

    def place(self, rng, name, rows, words):
        """Bank, first address and stride of new rows."""
        stride = words + int(rng.integers(0, 3))
        at, self.free = self.free, self.free + rows * stride
        return {f"{name}_bank": int(rng.integers(0, BANKS)), name: at, f"{name}_stride": stride}

    def wait(self, rng, unit, words):
        """Start gate, and what each word waits for."""
        gate = str(rng.choice(["din", "row", "none", "none"]))
        fields = {"gate_unit": abi.UNITS[gate.upper()], "gate": self.counts.get(gate, NEVER)}
        need, step = self.counts.get(unit, NEVER), 0 if unit == "row" else 255
        if unit in ("din", "mm"):
            step = int(rng.choice([0, 1, 2, self.v // 8, self.v // 4]))
            need += int(rng.integers(0, 60))
            self.counts[unit] = need + step * (words - 1)
        self.counts["row"] += words * self.v // 8
        return fields | {"dep_unit": abi.UNITS[unit.upper()], "need": need, "need_step": step}

    def fill(self, rng, ins):
        """Put an instruction's rows into the memory; lanes beyond the length hold anything."""
        v = self.v
        for r, values in enumerate(element_rows(rng, ins.rows, ins.length, ins.signed)):
            padded = np.concatenate([values, rng.integers(0, 256, ins.words * v - ins.length)])
            for k in range(ins.words):
                self.memory[ins.src_bank][ins.src + r * ins.src_stride + k] = as_word(padded[k * v : (k + 1) * v])

    def elements(self, ins, rows):
        """Rows as the memory holds them, [rows, length]."""
        at = [ins.src + row * ins.src_stride + k for row in rows for k in range(ins.words)]
        data = b"".join(self.memory[ins.src_bank].get(a, 0).to_bytes(self.v, "little") for a in at)
        x = np.frombuffer(data, np.int8 if ins.signed else np.uint8).reshape(len(rows), -1)
        return x[:, : ins.length].astype(np.int64)

    def result_words(self, ins, rows):
        """What must be written for these rows: list of words for each."""
        x, at = self.elements(ins, rows), slice(ins.param * self.v, ins.param * self.v + ins.length)
        if ins.op == abi.ROW_OPS["SOFTMAX"]:
            results = [softmax_row(row, ins, self.tables) for row in x]
        else:
            results = norm_rows(x, ins, {k: p[at] for k, p in self.params.items()})
        return [self.words(ins, y) for y in results]

    def words(self, ins, y):
        """The words of a row."""
        y = np.concatenate([y, np.zeros(ins.words * self.v - ins.length, np.int64)])
        return [as_word(y[k * self.v : (k + 1) * self.v]) for k in range(ins.words)]
