"""`hwgen sim`: the whole way. Checkpoint -> integer graphs -> RTL -> bit-for-bit verification -> a robot moved by the
RTL behind its driver."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hwgen.backends.engine.generate import generate
from hwgen.backends.options import Options
from hwgen.build.package import package
from hwgen.errors import FitError, HwgenError
from hwgen.evaluate import simulate_engine, timeline
from hwgen.evaluate.closed_loop import CONDITIONS, EpisodeReport, picture, run_episodes, unseen_seeds
from hwgen.evaluate.design_files import read_object
from hwgen.evaluate.driver_client import DriverClient
from hwgen.graph import Graph, golden, qonnx_out
from hwgen.policies.embodiment import MAX_STEP, normalize_state
from hwgen.policies.loading import load_policy
from hwgen.policies.policy import Integers, Policy

FRAMES = 1000
EPISODES = 300
RECORDED = 3  # episodes in the picture
BATCH = 64
HARDWARE = {
    "whole": "the whole policy becomes hardware",
    "head": "the head becomes hardware, the encoder runs on the robot's processor",
}
"""The parts of a policy that a board may run, the best one first."""


def run(
    board: str,
    policy: Path | str | None = None,
    episodes: int = EPISODES,
    frames: int = FRAMES,
    out: Path | None = None,
) -> None:
    """Run the main job; writes build/sim-BOARD (DIR, report.json, robot.png). Raises HwgenError when anything differs.

    policy: a checkpoint (default: the one that comes along). episodes: closed-loop episodes of each condition, on
    seeds that training never saw. frames: realistic inputs of the RTL compared bit for bit.
    """
    console = Console(stderr=True)
    out = out or Path("build") / f"sim-{board}"
    console.rule(f"[bold]hwgen sim: {board}")
    demo = load_policy(policy)
    console.print(f"policy: encoder {demo.encoder.macs():,} and head {demo.head.macs():,} multiplications")
    part = _generate(demo, board, out, console)
    report = _verify(demo, part, out, frames, console) | {"hardware": part}
    whole = _package(policy, out, console)
    report["robot"], runs = _drive(demo, whole, out, episodes, console)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    image = picture(runs["RTL"], out / "robot.png")
    chart = timeline.draw(report, out / "timeline.png")
    simulate_engine.show(report, console)
    _show_robot(report, episodes, console)
    console.print(f"report: {out / 'report.json'}   pictures: {image}, {chart}   RTL: {out / 'rtl'}")
    _judge(report)


def _generate(demo: Policy, board: str, out: Path, console: Console) -> str:
    """Write the design of the most that the board holds; returns which part of the policy that is."""
    out.mkdir(parents=True, exist_ok=True)
    for part, what in HARDWARE.items():
        qonnx_out.save(demo.part(part), out / "graph.onnx")
        try:
            generate(out / "graph.onnx", board, Options(), out)
        except FitError as error:
            if part == "head":
                raise
            console.print(f"the whole policy: {error}", highlight=False)
            continue
        made = read_object(out / "report.json")
        rows, columns = made["array"]
        console.print(f"generated {out}: {what}; array {rows}x{columns}, {made['predicted_cycles']} clocks predicted")
        return part
    raise AssertionError("unreachable: the last part returns or raises")


def _verify(demo: Policy, part: str, out: Path, frames: int, console: Console) -> dict:
    """Realistic frames through the RTL, against golden."""
    ints, graph = demo.frames(part, frames, seed=1), demo.part(part)
    result = simulate_engine.run_with_progress(out, ints, console)
    report = simulate_engine.complete_report(out, _golden(graph, ints), result)
    simulate_engine.judge(report)
    console.print(
        f"verified: {report['vectors']} frames bit for bit, {report['latency_cycles']} clocks each, as predicted"
    )
    return report


def _golden(graph: Graph, ints: Integers) -> Integers:
    """Golden's outputs, a batch of frames at a time: the layers of an image take a MB a frame."""
    count = len(next(iter(ints.values())))
    made = [golden.run(graph, {k: v[at : at + BATCH] for k, v in ints.items()}) for at in range(0, count, BATCH)]
    return {name: np.concatenate([batch[name] for batch in made]) for name in graph.outputs}


def _package(policy: Path | str | None, out: Path, console: Console) -> Path:
    """The whole policy as the robot gets it; its self-test runs when the robot opens it."""
    made = package(out, out / "robot.hwpkg", policy=str(policy or "demo"))
    encoder = ", encoder for the robot's processor" if made.policy.before else ""
    console.print(f"packaged {made.path}: accelerator{encoder}, instruction encoder, units")
    return made.path


def _drive(
    demo: Policy, whole: Path, out: Path, episodes: int, console: Console
) -> tuple[dict, dict[str, EpisodeReport]]:
    """Closed-loop episodes: float, integers and RTL as told, and the integer policy under the controls."""
    seeds = unseen_seeds(episodes)
    runs: dict[str, EpisodeReport] = {}
    with _bar(console) as advance, DriverClient(whole, out) as driver:
        driver.selftest()
        checked = _Checked(driver, demo)
        jobs: dict[str, tuple] = {
            "float": (demo.float_policy, {}),
            "integer": (demo.integer_policy(), {}),
            "RTL": (checked, {"record": RECORDED, "whole": True}),
        }
        jobs |= {name: (demo.integer_policy(), dict(how)) for name, how in CONDITIONS.items() if how}
        for name, (policy, how) in jobs.items():
            runs[name] = run_episodes(policy, seeds, progress=advance(name, episodes), **how)
    table = {name: report.summary() for name, report in runs.items()}
    table["RTL"] |= {
        "inferences": checked.count,
        "wrong_inferences": checked.wrong,
        "driver": driver.info.get("driver", "pynq"),
    }
    return table, runs


class _Checked:
    """The package on the robot's side: picture, position in metres and sentence go in, motions come out, the hardware
    is RTL. Every answer is compared with golden as well."""

    def __init__(self, driver: DriverClient, demo: Policy):
        self.driver, self.golden, self.encode = driver, demo.integer_policy(), demo.text_encoder
        self.count = self.wrong = 0

    def __call__(self, images: np.ndarray, positions: np.ndarray, sentences: np.ndarray) -> np.ndarray:
        told = [str(sentence) for sentence in sentences]
        metres = self.driver.act({"image": images, "state": positions, "instruction": told})
        text = np.stack([self.encode(sentence) for sentence in told])
        want = self.golden(images, normalize_state(positions), text)
        self.count += len(images)
        self.wrong += int((metres != want * np.float32(MAX_STEP)).reshape(len(images), -1).any(axis=1).sum())
        return metres / np.float32(MAX_STEP)


@contextmanager
def _bar(console: Console):
    """Gives advance(name, total) -> progress(done, total), a bar a name."""
    columns = (
        TextColumn("{task.description:>22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("episodes"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:

        def advance(name: str, total: int) -> Callable[[int, int], None]:
            task = bar.add_task(name, total=total)
            return lambda done, _: bar.update(task, completed=done)

        yield advance


def _show_robot(report: dict, episodes: int, console: Console) -> None:
    robot = report["robot"]
    table = Table(title=f"Franka arm, {episodes} unseen scenes: reach the named cube within 2 cm, touch no other")
    for column in ("policy", "success", "wrong cube", "steps (mean)", "steps (least)"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    label = {
        "float": "float",
        "integer": "integers (golden)",
        "RTL": f"the package on the driver, {report['hardware']} as RTL",
    }
    for name, row in robot.items():
        steps = ("-", "-") if row["steps_mean"] is None else (f"{row['steps_mean']:.1f}", str(row["steps_min"]))
        table.add_row(label.get(name, f"integers, {name}"), f"{row['success']:.1%}", f"{row['wrong_cube']:.1%}", *steps)
    console.print(table)
    rtl = robot["RTL"]
    console.print(
        f"{rtl['wrong_inferences']} of {rtl['inferences']} inferences of the RTL on the driver differ from golden"
    )


def _judge(report: dict) -> None:
    rtl = report["robot"]["RTL"]
    if rtl["wrong_inferences"]:
        raise HwgenError(
            f"{rtl['wrong_inferences']} of {rtl['inferences']} inferences through the driver differ from golden"
        )
