"""`hwgen plan`: from the camera's shutter to the action, what each stage takes, and the rate that comes out.

Only the accelerator's clocks are known; sensor, host and its transformer are stated or assumed, and each line says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from hwgen import boards
from hwgen.backends.engine.generate import find
from hwgen.backends.options import Options
from hwgen.codesign import progress, shared
from hwgen.codesign.engines import DRIVER_MS
from hwgen.codesign.shared import Turn
from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.schedule import Design

HOST_BYTES = 200e6
"""Bytes of camera frames that one of the board's cores crops, scales and copies in a second. Assumed."""
WIDTH = 110  # where there is no terminal


@dataclass(frozen=True)
class Camera:
    """So many cameras of height x width RGB pixels, fps frames a second each."""

    count: int
    height: int
    width: int
    fps: float

    @property
    def bytes(self) -> int:
        """Of a frame of all cameras."""
        return self.count * self.height * self.width * 3

    @classmethod
    def parse(cls, text: str) -> Camera:
        """Of "2x224x224@30". Raises InputError."""
        match = re.fullmatch(r"(\d{1,2})x(\d{1,5})x(\d{1,5})@(\d{1,4}(?:\.\d{1,3})?)", text.strip())
        if not match or not all(float(group) > 0 for group in match.groups()):
            raise InputError(
                f"--camera {text!r} is not COUNTxHEIGHTxWIDTH@FPS: give, for instance, 2x224x224@30 for two cameras"
            )
        return cls(*(int(group) for group in match.groups()[:3]), float(match[4]))


@dataclass(frozen=True)
class Stage:
    """A line of the budget. known: by what."""

    name: str
    ms: float
    known: str


@dataclass(frozen=True)
class Host:
    """The processor's part, in ms: of its transformer, and of preparing the frames (None: assumed, by their bytes)."""

    transformer_ms: float = 0.0
    preprocess_ms: float | None = None

    def __post_init__(self) -> None:
        """Raises InputError for a time that is none."""
        for name in ("transformer_ms", "preprocess_ms"):
            if not 0 <= (getattr(self, name) or 0) < float("inf"):
                raise InputError(f"--host-{name.replace('_', '-')} must be 0 or more, not {getattr(self, name)}")


def plan(
    files: Sequence[Path],
    camera: Camera,
    board: str,
    host: Host,
    chunk: int = 1,
    action_hz: float | None = None,
    as_json: bool = False,
) -> dict:
    """Print the budget of a policy and return it.

    files: QONNX of its parts in order; a part that takes pictures, with another behind it, is an encoder and runs for
    each camera; the host's transformer comes before the last part. chunk: actions of an answer; action_hz: of the
    robot. Raises HwgenError.
    """
    if action_hz is not None and not 0 < action_hz < float("inf"):
        raise InputError(f"--action-hz must be positive, not {action_hz}")
    target = boards.load(board)
    from hwgen.graph import qonnx_in  # onnx takes a second to import

    turns = _turns([qonnx_in.load(file) for file in files], camera)
    with progress.shown() as say:
        if len(turns) == 1:
            designs = [find(turns[0].graph, target, Options(), say).design]
        else:
            designs = shared.engine(turns, target, say)
    stages = _stages(turns, designs, camera, host, target.clock_mhz)
    told = _told(turns, designs, stages, camera, chunk, action_hz) | {"board": target.name}
    if as_json:
        print(json.dumps(told, indent=1))
    else:
        console = Console()
        _show(told, stages, console if console.is_terminal else Console(width=WIDTH))
    return told


def _pictures(graph: Graph) -> list[str]:
    """The inputs that are pictures: unsigned [C, H, W]."""
    tensors = (graph.tensors[name] for name in graph.inputs)
    return [t.name for t in tensors if len(t.shape) == 3 and not t.dtype.signed]


def _turns(graphs: Sequence[Graph], camera: Camera) -> list[Turn]:
    """How often each part runs. Raises InputError where cameras and pictures do not match."""
    out = []
    for i, graph in enumerate(graphs):
        takes, last = len(_pictures(graph)), i == len(graphs) - 1
        if takes and (camera.count % takes if not last else camera.count != takes):
            raise InputError(
                f"{graph.name} takes {takes} picture{'s'[: takes > 1]}, --camera gives {camera.count}: give as many "
                "cameras, or the encoder and what follows it as two --policy, and the encoder runs for each"
            )
        out.append(Turn(graph, camera.count // takes if takes and not last else 1))
    return out


def _stages(turns: Sequence[Turn], designs: Sequence[Design], camera: Camera, host: Host, mhz: float) -> list[Stage]:
    """The budget, in the order in which an observation passes."""
    many = f"{camera.count} camera{'s'[: camera.count > 1]} at {camera.fps:g} frames a second"
    out = [Stage("sensor", 1e3 / camera.fps, f"{many}: a frame is that old when its last row has been read")]
    if host.preprocess_ms is None:
        ms, known = 1e3 * camera.bytes / HOST_BYTES, f"assumed, {camera.bytes:,} bytes at {HOST_BYTES / 1e6:g} MB/s"
    else:
        ms, known = host.preprocess_ms, "stated"
    out.append(Stage("host: preprocessing", ms, known))
    for i, (turn, design) in enumerate(zip(turns, designs, strict=True)):
        if i == len(turns) - 1 and host.transformer_ms:
            out.append(Stage("host: transformer", host.transformer_ms, "stated"))
        out += _part(turn, design, mhz, len(turns) > 1)
    runs = sum(turn.runs for turn in turns)
    out.append(Stage("host: driver", runs * DRIVER_MS, f"assumed, {DRIVER_MS:g} ms for each of {runs} runs"))
    return out


def _part(turn: Turn, design: Design, mhz: float, loaded: bool) -> list[Stage]:
    """A graph on the accelerator: what DDR takes of its clocks, where nothing hides it, and the others."""
    t, name = design.timing, turn.graph.name
    ddr = t.waits["DIN"] + t.tail
    array = f"{design.config.n}x{design.config.m} at the assumed {mhz:g} MHz"
    many = f"{turn.runs} x " if turn.runs > 1 else ""
    out = []
    if loaded:
        clocks = shared.load(design)
        out.append(Stage(f"{name}: load", clocks / mhz / 1e3, f"{clocks:,} clocks: its program and weights take turns"))
    out.append(
        Stage(f"{name}: DMA", turn.runs * ddr / mhz / 1e3, f"predicted, {many}{ddr:,} clocks that nothing hides")
    )
    rest = t.latency - ddr
    out.append(Stage(f"{name}: array", turn.runs * rest / mhz / 1e3, f"predicted, {many}{rest:,} clocks, {array}"))
    return out


def _told(
    turns: Sequence[Turn], designs: Sequence[Design], stages: Sequence[Stage], camera: Camera, chunk: int,
    action_hz: float | None,
) -> dict:  # fmt: skip
    """The budget and what follows from it."""
    latency = sum(stage.ms for stage in stages)
    host = sum(stage.ms for stage in stages if stage.name.startswith("host"))
    engine = latency - host - stages[0].ms
    together = len(turns) == 1  # the driver prepares an observation while the accelerator works on the one before
    busy = max(host, engine) if together else host + engine
    rate = min(camera.fps, 1e3 / busy)
    out = {
        "stages": [{"name": stage.name, "ms": stage.ms, "known_by": stage.known} for stage in stages],
        "latency_ms": latency, "host_ms": host, "accelerator_ms": engine, "overlap": together,
        "rate_hz": rate, "binds": "sensor" if rate == camera.fps else "host" if host > engine else "accelerator",
        "chunk": chunk, "actions_a_second": chunk * rate,
        "outputs": {name: list(turns[-1].graph.tensors[name].shape) for name in turns[-1].graph.outputs},
        "array": [designs[0].config.n, designs[0].config.m],
    }  # fmt: skip
    if action_hz is not None:
        lasts = 1e3 * chunk / action_hz
        out |= {"action_hz": action_hz, "chunk_ms": lasts, "keeps_up": 1e3 / rate <= lasts,
                "oldest_ms": latency + max(lasts, 1e3 / rate)}  # fmt: skip
    return out


def _show(told: dict, stages: Sequence[Stage], console: Console) -> None:
    n, m = told["array"]
    table = Table(box=box.SIMPLE_HEAD, title=f"From shutter to action on {told['board']}, engine {n}x{m}",
                  title_justify="left")  # fmt: skip
    for head in ("stage", "ms", "share", "known by"):
        table.add_column(head, justify="right" if head in ("ms", "share") else "left", no_wrap=head != "known by")
    for stage in stages:
        table.add_row(stage.name, f"{stage.ms:,.4f}", f"{stage.ms / told['latency_ms']:.0%}", stage.known)
    table.add_row("all", f"{told['latency_ms']:,.4f}", "", "")
    console.print(table)
    how = "host and accelerator at once" if told["overlap"] else "one stage after another"
    line = f"rate: {told['rate_hz']:,.1f} observations a second ({how}; the {told['binds']} binds)"
    if told["chunk"] > 1:
        line += f", {told['actions_a_second']:,.1f} actions a second in chunks of {told['chunk']}"
    console.print(line, highlight=False)
    if "action_hz" in told:
        verdict = "the robot never waits" if told["keeps_up"] else "the robot waits for the next chunk"
        console.print(
            f"chunk: {told['chunk']} actions at {told['action_hz']:g} Hz last {told['chunk_ms']:,.1f} ms: {verdict}; "
            f"an action rests on what was seen up to {told['oldest_ms']:,.1f} ms before",
            highlight=False,
        )
