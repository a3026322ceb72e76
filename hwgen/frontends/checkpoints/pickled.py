"""The pickle inside a PyTorch file, read as data: nothing is imported, called or built but dicts, lists, tuples.

A pickle is a program for a stack machine. The opcodes of a state dict are few, and so are the names it calls; those are
on a list, and each stands for a plain value here. Anything else is an error.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}  # fmt: skip
TENSOR, PARAMETER, ORDERED = (
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "collections OrderedDict",
)
NAMES = {TENSOR, PARAMETER, ORDERED, *(f"torch {name}" for name in STORAGES)}
MOST_OPCODES = 2_000_000
DEEPEST = 64


class Refused(Exception):
    """The pickle holds something that is no state dict; the message says what."""


@dataclass(frozen=True)
class Name:
    """A global that the pickle names, never looked up: "module attribute"."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Numbers of one type in a member of the archive."""

    dtype: str
    key: str
    numbers: int


@dataclass(frozen=True)
class View:
    """A tensor: strides over a storage, in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


_MARK = object()


def unpickle(data: bytes) -> Any:
    """What a state dict's pickle says: dicts, lists, tuples, numbers, strings and Views. Raises Refused for a damaged
    pickle and for whatever is not on the list."""
    machine = _Machine()
    try:
        for count, (opcode, arg, _) in enumerate(pickletools.genops(data)):
            if count > MOST_OPCODES:
                raise Refused(f"it has more than {MOST_OPCODES:,} opcodes")
            if opcode.name == "STOP":
                return machine.pop()
            machine.run(opcode.name, arg)
    except Refused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
        raise Refused(f"its pickle is damaged: {error}") from error
    raise Refused("its pickle has no end")


class _Machine:
    """Stack and memo. Values on the stack are plain; REDUCE makes Views, and only of names on the list."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark lies where a value should be")
        return value

    def since_mark(self) -> list[Any]:
        """The values above the last mark, which goes, too."""
        at = max(i for i, v in enumerate(self.stack) if v is _MARK)
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def run(self, op: str, arg: Any) -> None:
        """One opcode."""
        if op in PUSHES:
            self.stack.append(PUSHES[op](arg))
        elif op in ("GLOBAL", "STACK_GLOBAL"):
            self.stack.append(self._name(arg if op == "GLOBAL" else self._two_names()))
        elif op in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            self.memo[len(self.memo) if op == "MEMOIZE" else arg] = self.stack[-1]
        elif op in ("BINGET", "LONG_BINGET", "GET"):
            self.stack.append(self.memo[arg])
        elif op in TUPLES:
            n = TUPLES[op]
            items = [self.pop() for _ in range(n)][::-1] if n is not None else self.since_mark()
            self.stack.append(tuple(items))
        elif op in ("DICT", "LIST"):
            items = self.since_mark()
            self.stack.append(dict(zip(items[::2], items[1::2], strict=True)) if op == "DICT" else items)
        elif op in ("SETITEM", "SETITEMS"):
            items = [self.pop(), self.pop()][::-1] if op == "SETITEM" else self.since_mark()
            self._top(dict).update(zip(items[::2], items[1::2], strict=True))
        elif op in ("APPEND", "APPENDS"):
            items = [self.pop()] if op == "APPEND" else self.since_mark()
            self._top(list).extend(items)
        elif op == "BINPERSID":
            self.stack.append(_storage(self.pop()))
        elif op == "REDUCE":
            args = self.pop()
            self.stack.append(_call(self.pop(), args))
        elif op == "BUILD":  # an OrderedDict's `_metadata`: versions of modules
            self.pop()
            self._top(dict)
        elif op not in ("PROTO", "FRAME"):
            raise Refused(f"its pickle uses {op}, which no state dict needs")

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"a {kind.__name__} is expected, not {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def _two_names(self) -> str:
        attribute, module = self.pop(), self.pop()
        return f"{module} {attribute}"

    def _name(self, text: str) -> Name:
        if text not in NAMES:
            raise Refused(f"its pickle names {text.replace(' ', '.')!r}: a loader would run it, and no tensor needs it")
        return Name(text)


PUSHES = {
    "MARK": lambda _: _MARK,
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "BINFLOAT", "FLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        lambda arg: arg,
    ),
}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "TUPLE": None}


def _call(name: Any, args: Any) -> Any:
    """What a call of a listed name stands for."""
    if not isinstance(name, Name) or not isinstance(args, tuple):
        raise ValueError("something else than a name is called")
    if name.text == ORDERED:
        return dict(args[0]) if args else {}
    if name.text == PARAMETER and isinstance(args[0], View):
        return args[0]
    if name.text == TENSOR:
        storage, offset, shape, stride = args[:4]
        whole = all(type(n) is int and n >= 0 for n in (offset, *shape, *stride))
        if isinstance(storage, Storage) and whole and len(shape) == len(stride) <= DEEPEST:
            return View(storage, offset, tuple(shape), tuple(stride))
    raise ValueError(f"{name.text} is called with other arguments than a tensor's")


def _storage(persistent: Any) -> Storage:
    """("storage", type, member, device, numbers) as a Storage."""
    _, kind, key, _, numbers = persistent
    if not isinstance(kind, Name) or type(key) is not str or type(numbers) is not int:
        raise ValueError("a storage is described by other values than type, name and size")
    return Storage(STORAGES[kind.text.removeprefix("torch ")], key, numbers)
