"""Load images for the benches, built from the tables of hwgen/runtime/abi.py."""

from dataclasses import dataclass, field

from hwgen.runtime import abi

HASH = 0x0123_4567_89AB_CDEF
# A small engine: depth and beats of every target; ROW programs are absent.
TARGETS = {
    "WEIGHT": (20, 4),  # N=M=8, WW=8
    "PARAM": (10, 8),
    "TABLE": (3, 16),
    "ROW_PARAM": (5, 16),
    "PROG_DIN": (7, abi.beats(abi.DIN)),
    "PROG_MM": (6, abi.beats(abi.MM)),
    "PROG_ROW": (0, abi.beats(abi.ROW)),
    "PROG_DOUT": (9, abi.beats(abi.DOUT)),
}


@dataclass
class Section:
    """One section; ``data`` are its words' beats as integers."""

    target: int
    first: int
    words: int
    data: list[int] = field(default_factory=list)
    magic: int = abi.SECTION_MAGIC

    def beats(self) -> list[int]:
        """Header beat and data beats."""
        values = {"magic": self.magic, "target": self.target, "first": self.first, "words": self.words}
        return [_beat(abi.SECTION_HEADER, values), *self.data]


def _beat(fields, values) -> int:
    return sum(values[name] << lsb for name, lsb, _ in fields)


def header(magic=abi.IMAGE_MAGIC, version=abi.ABI_VERSION, design=HASH) -> int:
    """The first beat."""
    return _beat(abi.IMAGE_HEADER, {"magic": magic, "abi": version, "hash": design})


def end() -> Section:
    """The last section."""
    return Section(abi.TARGETS["END"], 0, 0)


def section(rng, name: str, first: int | None = None, words: int | None = None) -> Section:
    """A random section that fits its target."""
    depth, beats = TARGETS[name]
    words = rng.randint(0, depth) if words is None else words
    first = rng.randint(0, depth - words) if first is None else first
    return Section(abi.TARGETS[name], first, words, [rng.getrandbits(128) for _ in range(words * beats)])


def build(*sections: Section, **head) -> list[int]:
    """All beats of an image, without END unless it is among the sections."""
    return [header(**head), *(beat for s in sections for beat in s.beats())]


def memories(*sections: Section) -> dict[tuple[int, int, int], int]:
    """What the loader bus must write: (target, word, beat) -> data; tables (target, word, entry) -> byte."""
    out = {}
    per = {abi.TARGETS[name]: beats for name, (_, beats) in TARGETS.items()}
    for s in sections:
        for i, data in enumerate(s.data):
            word, beat = s.first + i // per[s.target], i % per[s.target]
            if s.target == abi.TARGETS["TABLE"]:
                for e in range(16):
                    out[s.target, word, beat * 16 + e] = data >> (8 * e) & 0xFF
            else:
                out[s.target, word, beat] = data
    return out
