"""The engine's binary interface: registers, status codes, load image and instruction set.

This table is the only source. The SystemVerilog package (`backends/engine/svpkg.py`), the driver and docs/abi.md are
made from it. It imports nothing, so that it also runs on the robot.

Numbers: every register is 32 bits, little endian; 64-bit values are two registers, low word first. Image words and
instructions are made of 128-bit beats, the least significant bit of a field table being bit 0 of the first beat.
"""

from __future__ import annotations

from dataclasses import dataclass

MAGIC = 0x4E475748  # "HWGN" in memory order
ABI_VERSION = 2
BEAT_BYTES = 16
ALIGN = 64  # bytes; of every DDR buffer
LANES = ("din", "mm", "row", "dout", "vec", "stream")  # the units, in counter order


@dataclass(frozen=True)
class Register:
    """One 32-bit register: byte offset, access ("ro" or "rw"), meaning, and named bit fields (lsb, width)."""

    name: str
    offset: int
    access: str
    doc: str
    fields: tuple[tuple[str, int, int, str], ...] = ()


REGISTERS = (
    Register("MAGIC", 0x000, "ro", 'constant, "HWGN"'),
    Register("ABI", 0x004, "ro", "version of this table"),
    Register("HASH_LO", 0x008, "ro", "design hash, low word"),
    Register("HASH_HI", 0x00C, "ro", "design hash, high word"),
    Register(
        "CONFIG",
        0x010,
        "ro",
        "array",
        (
            ("N", 0, 8, "activations a clock"),
            ("M", 8, 8, "output channels"),
            ("WW", 16, 8, "weight bits stored"),
            ("BANKS", 24, 8, "activation banks"),
        ),
    ),
    Register("WEIGHT_DEPTH", 0x014, "ro", "words of the weight memory"),
    Register("ACT_DEPTH", 0x018, "ro", "words of one activation bank"),
    Register(
        "CONTROL",
        0x020,
        "rw",
        "commands; a one starts the command, reads give the interrupt enable only",
        (
            ("START", 0, 1, "run the program once; accepted when IDLE and LOADED"),
            ("LOAD", 1, 1, "read the image at LOAD_PTR; accepted when IDLE"),
            ("SOFT_RESET", 2, 1, "stop, drain the bus, forget the program and the error"),
            ("CLEAR_DONE", 3, 1, "clear DONE and the interrupt"),
            ("IRQ_ENABLE", 8, 1, "raise irq while DONE or ERROR"),
        ),
    ),
    Register(
        "STATUS",
        0x024,
        "ro",
        "state",
        (
            ("IDLE", 0, 1, "ready for a command"),
            ("BUSY", 1, 1, "loading or running"),
            ("DONE", 2, 1, "the last command ended well; cleared by the next one"),
            ("ERROR", 3, 1, "the last command failed; SOFT_RESET clears it"),
            ("LOADED", 4, 1, "a valid program is resident"),
            ("DRAINING", 5, 1, "waiting for the bus to finish what was begun"),
            ("CODE", 8, 8, "error code"),
        ),
    ),
    Register("ERROR_INFO", 0x028, "ro", "what failed: low half of the bus address, image beat or instruction index"),
    Register("LOAD_PTR_LO", 0x030, "rw", "image address; the low 4 bits are ignored"),
    Register("LOAD_PTR_HI", 0x034, "rw", "image address, high word"),
    Register("LOAD_BEATS", 0x038, "rw", "image length in 16-byte beats"),
    Register("IN_PTR_LO", 0x040, "rw", "input buffer, 64-byte aligned; the low 4 bits are ignored"),
    Register("IN_PTR_HI", 0x044, "rw", "input buffer, high word"),
    Register("OUT_PTR_LO", 0x048, "rw", "output buffer, 64-byte aligned; the low 4 bits are ignored"),
    Register("OUT_PTR_HI", 0x04C, "rw", "output buffer, high word"),
    Register("STREAM_PTR_LO", 0x050, "rw", "streamed weights, 64-byte aligned"),
    Register("STREAM_PTR_HI", 0x054, "rw", "streamed weights, high word"),
    Register("WATCHDOG", 0x060, "rw", "cycles a command may take before it fails; 0 means never"),
    Register("LATENCY", 0x080, "ro", "clocks from the accepted START to DONE"),
    Register("ISSUED", 0x084, "ro", "clocks in which the array took work"),
    Register("WAIT_DIN", 0x088, "ro", "clocks the array waited for input from DDR"),
    Register("WAIT_MM", 0x08C, "ro", "clocks the array waited for its own results"),
    Register("WAIT_ROW", 0x090, "ro", "clocks the array waited for the row unit or the vector unit"),
    Register("TAIL", 0x094, "ro", "clocks the array had nothing left to do"),
    Register("COMPUTE", 0x098, "ro", "first to last clock of the array, both included"),
    Register("RUNS", 0x09C, "ro", "programs completed since reset"),
)

REGISTER_WINDOW = 0x1000  # bytes of address space

ERRORS = {
    0: ("NONE", "no error"),
    1: ("AXI_READ", "the bus answered a read with an error"),
    2: ("AXI_WRITE", "the bus answered a write with an error"),
    3: ("BAD_IMAGE", "the image is malformed: wrong magic, section or length"),
    4: ("HASH", "the image was made for another design"),
    5: ("BAD_INSTRUCTION", "an instruction has an unknown opcode"),
    6: ("WATCHDOG", "the command did not finish within WATCHDOG clocks"),
    7: ("NOT_LOADED", "START without a resident program"),
    8: ("PORT_CONFLICT", "two units used one memory port in the same clock"),
}

# --- load image: one header beat, then sections of one header beat and their words, then an END section ---------------
IMAGE_MAGIC = 0x4D495748  # "HWIM"
SECTION_MAGIC = 0x5348  # "HS"
IMAGE_HEADER = (("magic", 0, 32), ("abi", 32, 32), ("hash", 64, 64))
SECTION_HEADER = (("magic", 0, 16), ("target", 16, 8), ("first", 32, 24), ("words", 64, 24))
TARGETS = {
    "WEIGHT": 1,  # word: ceil(N*M*WW/128) beats; weight (m, n) at bits (m*N+n)*WW
    "PARAM": 2,  # word: M beats, one channel each (PARAM fields)
    "TABLE": 3,  # word: one table of 256 entries, 16 beats, entry i in byte i; index = pre-activation as unsigned byte
    "ROW_PARAM": 4,  # word: V beats, one channel each
    "VEC_PARAM": 5,  # word: V beats, one channel each
    "SOFTMAX_TABLE": 6,  # word: one table of 256 entries, 256 beats, one entry of 24 bits a beat
    "PROG_DIN": 8,  # word: one instruction
    "PROG_MM": 9,
    "PROG_ROW": 10,
    "PROG_DOUT": 11,
    "PROG_VEC": 12,
    "PROG_STREAM": 13,
    "END": 255,  # no words
}
PARAM = (("mult", 0, 18), ("shift", 18, 6), ("bias", 24, 48), ("rmult", 72, 27))  # signed, unsigned, signed, signed
V_BITS = 52  # of the value before the shift
Z_FRACTION = 20  # fraction bits of a normalized element (docs/numerics.md)

# --- instructions -----------------------------------------------------------------------------------------------------
OPCODES = {"EXEC": 1, "NOP": 2}  # 0 is illegal, so that an unwritten program word is caught
UNITS = {"DIN": 0, "MM": 1, "ROW": 2, "DOUT": 3, "VEC": 4, "STREAM": 5, "NONE": 7}
LEVELS = 6  # nested loops of the array's instruction, level 0 innermost
# octets: 8-byte units, in which progress counters and needs count
COUNT_BITS, ADDR_BITS, PADDR_BITS, NEED_BITS, BANK_BITS = 14, 20, 12, 24, 3
COORD_BITS = 11  # signed coordinates of a step, for padding


def _layout(*fields: tuple[str, int]) -> tuple[tuple[str, int, int], ...]:
    out, at = [], 0
    for name, width in fields:
        out.append((name, at, width))
        at += width
    return tuple(out)


_HEAD = (("opcode", 4), ("last", 1), ("gate_unit", 3), ("gate", NEED_BITS))

DIN_PLAIN = _layout(*_HEAD, ("offset", 32), ("beats", 20), ("bank", BANK_BITS), ("addr", ADDR_BITS), ("kind", 2))
DIN = _layout(  # behind `kind`: of WINDOWS only, so an engine without windows keeps the plain part alone
    *((name, size) for name, _, size in DIN_PLAIN), ("at", 25), ("span", 22), ("row_bytes", 16), ("seg", 12),
    ("x_step", 12), ("pad", 12), ("y", 14), ("y_step", 6), ("row_step", 20), ("y_size", 14), ("taps", 6), ("words", 8),
    ("cols", 14), ("rows", 14), ("upto", 20),
)  # fmt: skip
DIN_KINDS = {"COPY": 0, "STREAM": 1, "WINDOWS": 2}
DOUT = _layout(
    *_HEAD, ("offset", 32), ("beats", 20), ("bank", BANK_BITS), ("addr", ADDR_BITS), ("ptr", 2), ("dep_unit", 3),
    ("need", NEED_BITS), ("need_step", 8),
)  # fmt: skip
ROW = _layout(
    *_HEAD, ("op", 4), ("x_signed", 1), ("lo", 9), ("hi", 9), ("dep_unit", 3), ("need", NEED_BITS), ("need_step", 8),
    ("src_bank", BANK_BITS), ("src", ADDR_BITS), ("src_stride", ADDR_BITS), ("dst_bank", BANK_BITS), ("dst", ADDR_BITS),
    ("dst_stride", ADDR_BITS), ("param", PADDR_BITS), ("length", 16), ("words", 14), ("rows", 16), ("eps", 40),
    ("mult", 17), ("shift", 6), ("slot", 4), ("group", 14), ("elements", 16),
)  # fmt: skip
ROW_OPS = {"LAYERNORM": 1, "RMSNORM": 2, "SOFTMAX": 3, "GROUPNORM": 4}


def _levels(**steps: int) -> tuple[tuple[str, int], ...]:
    """Fields that every loop level has, name and width."""
    return tuple((f"{name}{level}", size) for name, size in steps.items() for level in range(LEVELS))


_INSIDE = (("y", COORD_BITS), ("x", COORD_BITS), ("y_last", COORD_BITS - 1), ("x_last", COORD_BITS - 1))
_LOOPS = _levels(
    count=COUNT_BITS, a_step=ADDR_BITS, w_step=ADDR_BITS, need_step=NEED_BITS, o_step=ADDR_BITS, p_step=PADDR_BITS,
    y_step=COORD_BITS, x_step=COORD_BITS,
)  # fmt: skip
MM = _layout(
    *_HEAD, ("dep_unit", 3), ("red_mask", LEVELS), ("a_signed", 1), ("a_bank", BANK_BITS), ("a", ADDR_BITS),
    ("w_bank", 1), ("w", ADDR_BITS), ("need", NEED_BITS), ("o_kind", 2), ("o_bank", BANK_BITS), ("o", ADDR_BITS),
    ("p", PADDR_BITS), ("r_bank", BANK_BITS), ("r", ADDR_BITS),
    ("r_signed", 1), ("residual", 1), ("relu", 1), ("wide", 1), ("lookup", 1), ("slot", 4), ("lo", 9), ("hi", 9),
    *_INSIDE, *_LOOPS, *_levels(r_step=ADDR_BITS),
)  # fmt: skip
W_BANKS = {"WEIGHTS": 0, "KV": 1}  # where a matrix operation's weight words are
O_KINDS = {"ACTIVATIONS": 0, "KEYS": 1, "VALUES": 2}  # where its results go
VEC = _layout(
    *_HEAD, ("op", 4), ("dep_unit", 3), ("red_mask", LEVELS), ("a_signed", 1), ("a_bank", BANK_BITS), ("a", ADDR_BITS),
    ("b_signed", 1), ("b_bank", BANK_BITS), ("w", ADDR_BITS), ("need", NEED_BITS), ("o_bank", BANK_BITS),
    ("o", ADDR_BITS), ("p", PADDR_BITS), ("r_bank", BANK_BITS), ("r", ADDR_BITS), ("r_signed", 1), ("residual", 1),
    ("relu", 1), ("lo", 9), ("hi", 9), *_INSIDE, *_LOOPS, *_levels(r_step=ADDR_BITS),
)  # fmt: skip
VEC_OPS = {"MUL": 1, "MAXPOOL": 2}
STREAM = _layout(  # offset, stride: in beats; word, words: of the weight memory
    *_HEAD, ("offset", 28), ("stride", 28), ("word", ADDR_BITS), ("words", ADDR_BITS)
)
INSTRUCTIONS = {"DIN": DIN, "MM": MM, "ROW": ROW, "DOUT": DOUT, "VEC": VEC, "STREAM": STREAM}


def width(fields: tuple[tuple[str, int, int], ...]) -> int:
    """Bits used by a field table."""
    return max(lsb + size for _, lsb, size in fields)


def beats(fields: tuple[tuple[str, int, int], ...]) -> int:
    """128-bit beats that a word with these fields takes."""
    return -(-width(fields) // 128)


def pack(fields: tuple[tuple[str, int, int], ...], **values: int) -> bytes:
    """One word as bytes, padded to whole beats; signed values are taken modulo their field.

    Raises ValueError for an unknown field or a value that does not fit.
    """
    table = {name: (lsb, size) for name, lsb, size in fields}
    word = 0
    for name, value in values.items():
        if name not in table:
            raise ValueError(f"no field '{name}' in this word; it has {', '.join(table)}")
        lsb, size = table[name]
        value = int(value)
        if not -(1 << (size - 1)) <= value < (1 << size):
            raise ValueError(f"field '{name}': {value} does not fit {size} bits")
        word |= (value & ((1 << size) - 1)) << lsb
    return word.to_bytes(beats(fields) * BEAT_BYTES, "little")


def unpack(fields: tuple[tuple[str, int, int], ...], data: bytes) -> dict[str, int]:
    """The fields of one word as unsigned integers."""
    word = int.from_bytes(data, "little")
    return {name: (word >> lsb) & ((1 << size) - 1) for name, lsb, size in fields}


def register(name: str) -> Register:
    """The register of that name. Raises KeyError."""
    return _BY_NAME[name]


def field(register_name: str, field_name: str, value: int) -> int:
    """The value of one bit field of a register's 32-bit value."""
    for name, lsb, size, _ in _BY_NAME[register_name].fields:
        if name == field_name:
            return (value >> lsb) & ((1 << size) - 1)
    raise KeyError(f"register {register_name} has no field {field_name}")


_BY_NAME = {item.name: item for item in REGISTERS}
