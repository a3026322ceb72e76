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

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.build.package import package
from hwgen.errors import HwgenError
from hwgen.evaluate import simulate_engine, timeline
from hwgen.evaluate.closed_loop import CONDITIONS, EpisodeReport, picture, run_episodes, unseen_seeds
from hwgen.evaluate.driver_client import DriverClient
from hwgen.evaluate.vectors import load_graph
from hwgen.graph import golden, qonnx_out
from hwgen.policies.demo import Demo, load_demo
from hwgen.policies.embodiment import MAX_STEP, normalize_state

FRAMES = 1000
EPISODES = 300
RECORDED = 3  # episodes in the picture
DEFAULT_ARRAY = (16, 32)
DEFAULT_BOARD_FOR_ARRAY = "zcu104"


def run(
    board: str, policy: Path | None = None, episodes: int = EPISODES, frames: int = FRAMES, out: Path | None = None
) -> None:
    """Run the main job; writes build/sim-BOARD (DIR, report.json, robot.png). Raises HwgenError when anything differs.

    policy: a checkpoint (default: the one that comes along). episodes: closed-loop episodes of each condition, on
    seeds that training never
    saw. frames: realistic head inputs compared bit for bit.
    """
    console = Console(stderr=True)
    out = out or Path("build") / f"sim-{board}"
    console.rule(f"[bold]hwgen sim: {board}")
    demo = load_demo(policy)
    console.print(
        f"policy: encoder {demo.encoder.macs():,} and head {demo.head.macs():,} multiplications; the head becomes "
        f"hardware"
    )
    _generate(demo, board, out, console)
    report = _verify(demo, out, frames, console)
    whole = _package(policy, out, console)
    report["robot"], runs = _drive(demo, whole, out, episodes, console)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    image = picture(runs["RTL"], out / "robot.png")
    chart = timeline.draw(report, out / "timeline.png")
    simulate_engine.show(report, console)
    _show_robot(report["robot"], episodes, console)
    console.print(f"report: {out / 'report.json'}   pictures: {image}, {chart}   RTL: {out / 'rtl'}")
    _judge(report)


def _generate(demo: Demo, board_name: str, out: Path, console: Console) -> None:
    board = boards.load(board_name)
    out.mkdir(parents=True, exist_ok=True)
    qonnx_out.save(demo.head, out / "graph.onnx")
    array = DEFAULT_ARRAY if board_name == DEFAULT_BOARD_FOR_ARRAY else None
    design = generate.choose(load_graph(out), board, array)
    generate.write(design, board, out, out / "graph.onnx")
    console.print(
        f"generated {out}: array {design.config.n}x{design.config.m}, {design.timing.latency} clocks predicted"
    )
    return design


def _verify(demo: Demo, out: Path, frames: int, console: Console) -> dict:
    """Realistic frames through the RTL, against golden."""
    ints = {demo.head.inputs[0]: demo.head_vectors(frames, seed=1)}
    result = simulate_engine.run_with_progress(out, ints, console)
    report = simulate_engine.complete_report(out, golden.run(demo.head, ints), result)
    simulate_engine.judge(report)
    console.print(
        f"verified: {report['vectors']} frames bit for bit, {report['latency_cycles']} clocks each, as predicted"
    )
    return report


def _package(policy: Path | str | None, out: Path, console: Console) -> Path:
    """The whole policy as the robot gets it; its self-test runs when the robot opens it."""
    made = package(out, out / "robot.hwpkg", policy=str(policy or "demo"))
    console.print(f"packaged {made.path}: accelerator, encoder for the robot's processor, instruction encoder, units")
    return made.path


def _drive(
    demo: Demo, whole: Path, out: Path, episodes: int, console: Console
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
    """The package on the robot's side: picture, position in metres and sentence go in, motions come out, the head is
    RTL. Every answer is compared with golden as well."""

    def __init__(self, driver: DriverClient, demo: Demo):
        self.driver, self.demo = driver, demo
        self.count = self.wrong = 0

    def __call__(self, images: np.ndarray, positions: np.ndarray, sentences: np.ndarray) -> np.ndarray:
        told = [str(sentence) for sentence in sentences]
        metres = self.driver.act({"image": images, "state": positions, "instruction": told})
        text = np.stack([self.demo.text_encoder(sentence) for sentence in told])
        want = self.demo.integer_policy()(images, normalize_state(positions), text)
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


def _show_robot(robot: dict, episodes: int, console: Console) -> None:
    table = Table(title=f"Franka arm, {episodes} unseen scenes: reach the named cube within 2 cm, touch no other")
    for column in ("policy", "success", "wrong cube", "steps (mean)", "steps (least)"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    label = {"float": "float", "integer": "integers (golden)", "RTL": "the package on the driver, head as RTL"}
    for name, row in robot.items():
        steps = ("-", "-") if row["steps_mean"] is None else (f"{row['steps_mean']:.1f}", str(row["steps_min"]))
        table.add_row(label.get(name, f"integers, {name}"), f"{row['success']:.1%}", f"{row['wrong_cube']:.1%}", *steps)
    console.print(table)


def _judge(report: dict) -> None:
    rtl = report["robot"]["RTL"]
    if rtl["wrong_inferences"]:
        raise HwgenError(
            f"{rtl['wrong_inferences']} of {rtl['inferences']} inferences through the driver differ from golden"
        )
