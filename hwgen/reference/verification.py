"""Hold references against golden: integers must be equal, real values show the quantization error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import golden
from hwgen.graph.graph import Graph
from hwgen.reference.base import PLATFORMS, Arrays, Reference, as_integers, present

CHUNK = 64
"""Vectors run at once, so that the intermediate tensors stay small."""


@dataclass
class Identity:
    """Who computed: a reference's name, device, framework version and precision; seconds, compilation included."""

    name: str
    device: str
    version: str
    precision: str
    seconds: float = 0.0


@dataclass
class Exactness:
    """An integer reference against golden, over every tensor of the graph.

    vectors: observations. values: integers compared. mismatches: those that differ. first: where, if any.
    """

    who: Identity
    vectors: int = 0
    values: int = 0
    mismatches: int = 0
    first: str = ""


@dataclass
class TensorError:
    """How far a tensor's integers are from the real values.

    sqnr_db: signal to quantization noise, 10 log10(sum real**2 / sum error**2); inf without error. worst_steps: the
    largest error, in steps of the tensor's scale. clipped: share of integers at the end of the type's range.
    """

    tensor: str
    op: str
    sqnr_db: float
    worst_steps: float
    clipped: float


@dataclass
class Quantization:
    """A real-valued reference against golden: the error of every tensor, in the graph's order."""

    who: Identity
    vectors: int
    tensors: list[TensorError]


@dataclass
class Report:
    """What verify found. ``ok``: every integer of every integer reference equals golden."""

    graph: str
    outputs: list[str]
    exact: list[Exactness] = field(default_factory=list)
    real: list[Quantization] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when no integer differs."""
        return not any(e.mismatches for e in self.exact)

    def to_dict(self) -> dict:
        """Everything as JSON values."""
        return {**asdict(self), "ok": self.ok}


def verify(
    graph: Graph,
    references: Iterable[str | Reference],
    vectors: Arrays,
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
    saturate: bool = True,
) -> Report:
    """Run the references and golden on the same vectors and compare every tensor.

    references: names or Reference objects. vectors: per graph input an array [count, *shape] of integers or real values
    (then real-valued references see them before they are quantized). progress: called with the reference's name, the
    vectors done and their number. saturate: see Reference.prepare. Raises what Reference and Prepared raise.
    """
    made = [r if isinstance(r, Reference) else Reference(r) for r in references]
    runs = [(r.prepare(graph, saturate), Identity(r.name, r.device, r.version, r.precision)) for r in made]
    integers = as_integers(graph, vectors)
    count = len(next(iter(integers.values())))
    if not count:
        raise InputError(f"no vectors to verify {graph.name!r} with: give at least one")
    sums = [Exactness(who, count) if run.reference.exact else _Errors(graph) for run, who in runs]
    # Chunk by chunk, for every tensor of every vector would not fit into memory.
    for start in range(0, count, CHUNK):
        want = narrow(graph, golden.run(graph, _rows(integers, start), keep=True))
        for (run, who), sum_ in zip(runs, sums, strict=True):
            progress(who.name, start, count)
            began = time.perf_counter()
            got = run(_rows(integers if run.reference.exact else vectors, start), keep=True)
            who.seconds += time.perf_counter() - began
            _compare(start, want, got, sum_)
            progress(who.name, min(start + CHUNK, count), count)
    report = Report(graph.name, list(graph.outputs))
    for (_, who), sum_ in zip(runs, sums, strict=True):
        if isinstance(sum_, Exactness):
            report.exact.append(sum_)
        else:
            report.real.append(Quantization(who, count, sum_.result()))
    return report


def narrow(graph: Graph, values: Arrays) -> Arrays:
    """Each tensor in its type's narrowest dtype."""
    return {name: y.astype(graph.tensors[name].dtype.numpy) for name, y in values.items()}


def _rows(arrays: Arrays, start: int) -> Arrays:
    return {name: np.asarray(x)[start : start + CHUNK] for name, x in arrays.items()}


def _compare(start: int, want: Arrays, got: Arrays, sums: Exactness | _Errors) -> None:
    for name, expected in want.items():
        if isinstance(sums, _Errors):
            sums.add(name, expected, got[name])
            continue
        sums.values += expected.size
        if got[name].shape != expected.shape:
            sums.mismatches += expected.size
            sums.first = sums.first or f"{name}: shape {got[name].shape}, golden {expected.shape}"
            continue
        wrong = np.argwhere(got[name] != expected)
        sums.mismatches += len(wrong)
        if len(wrong) and not sums.first:
            at = tuple(int(i) for i in wrong[0])
            place = ", ".join(map(str, at[1:]))
            sums.first = f"{name}[{place}] of vector {start + at[0]}: {got[name][at]}, golden {expected[at]}"


class _Errors:
    """Sums over chunks for the error of every tensor."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.sums: dict[str, np.ndarray] = {}

    def add(self, name: str, integers: np.ndarray, real: np.ndarray) -> None:
        t = self.graph.tensors[name]
        real = real.astype(np.float64)
        error = integers * t.scale_array() - real
        clipped = 0 if t.dtype.is_wide else np.count_nonzero((integers == t.dtype.hi) | (integers == t.dtype.lo))
        if not t.dtype.signed:  # zero of an unsigned type is a value like any other (ReLU)
            clipped = np.count_nonzero(integers == t.dtype.hi)
        worst = np.max(np.abs(error) / t.scale_array(), initial=0.0)
        new = np.array([(real**2).sum(), (error**2).sum(), clipped, integers.size])
        old = self.sums.get(name, np.zeros(5))
        self.sums[name] = np.append(old[:4] + new, max(old[4], worst))

    def result(self) -> list[TensorError]:
        made = {n.output: n.op for n in self.graph.nodes}
        errors = []
        for name, (signal, noise, clipped, count, worst) in self.sums.items():
            sqnr = 10 * float(np.log10(signal / noise)) if noise and signal else (0.0 if noise else float("inf"))
            errors.append(TensorError(name, made.get(name, "input"), sqnr, float(worst), float(clipped / count)))
        return errors


def random_vectors(graph: Graph, count: int, seed: int) -> Arrays:
    """`count` random integers for every input: uniform over the range, and every fourth vector of extremes alone."""
    rng, vectors = np.random.default_rng(seed), {}
    for name in graph.inputs:
        (lo, hi), shape = graph.input_range(name), (count, *graph.tensors[name].shape)
        x = rng.integers(lo, hi + 1, shape)
        x[3::4] = np.where(rng.integers(0, 2, x[3::4].shape) == 1, hi, lo)
        vectors[name] = x
    return vectors


def chosen(references: str) -> list[str]:
    """Names of "all" (whatever is installed) or of a list with commas. Raises InputError for an unknown name."""
    if references == "all":
        return [name for name in present() if name != "golden"]
    names = [name.strip() for name in references.split(",") if name.strip()]
    if unknown := [name for name in names if name not in PLATFORMS]:
        raise InputError(f"unknown reference {', '.join(unknown)}: use all, or some of {', '.join(PLATFORMS)}")
    if not names:
        raise InputError(f"no reference is named: use all, or some of {', '.join(PLATFORMS)}")
    return names
