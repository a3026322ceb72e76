"""What quantization after training costs the demo policy on its robot: `python -m hwgen.evaluate.post_training`.

Success over seeds that no demonstration used, of the float policy, of the one that was trained on with quantizers, and
of the float policy quantized without any training, calibrated on frames of demonstrations.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hwgen.errors import HwgenError, InputError
from hwgen.evaluate.closed_loop import EPISODES, Policy, run_episodes, unseen_seeds
from hwgen.graph import Graph
from hwgen.graph.ops import WEIGHTED
from hwgen.policies.loading import load_policy
from hwgen.policies.policy import IntegerPolicy
from hwgen.policies.policy import Policy as Trained
from hwgen.quantize.post import Options, quantize

FRAMES = 256
"""Frames that scales and biases are set from."""
Say = Callable[[str, int, int], None]


def policies(demo: Trained, bits: list[str], frames: int = FRAMES, say: Say | None = None) -> dict[str, Policy]:
    """By name: float, QAT (trained on with quantizers; PTQ if not), and quantized after training with these bits."""
    widest = max(layers(demo.encoder, demo.head))
    found: dict[str, Policy] = {"float": demo.float_policy, f"{demo.method} W{widest}A8": demo.integer_policy()}
    network, data = demo.network(), demo.calibration(frames)
    for each in bits:
        options = Options(bits=int(each) if each.isdecimal() else each)
        note = None if say is None else lambda _, done, total, each=each: say(f"quantize W{each}A8", done, total)
        found[f"W{each}A8"] = IntegerPolicy(demo, quantize(network, data, options, note).graph)
    return found


def layers(*graphs: Graph) -> Counter[int]:
    """How many layers have weights of so many bits."""
    return Counter(node.weight_bits for graph in graphs for node in graph.nodes if isinstance(node, WEIGHTED))


def stored(demo: Trained, name: str, policy: Policy) -> str:
    """Bits of a row's weights."""
    if isinstance(policy, IntegerPolicy):
        counts = layers(policy.graph)
    else:
        counts = layers(demo.encoder, demo.head) if name.startswith("QAT") else Counter()
    if len(counts) < 2:
        return "".join(map(str, counts)) or "float"
    return ", ".join(f"{bits} in {count} layers" for bits, count in sorted(counts.items()))


def table(demo: Trained, chosen: dict[str, Policy], episodes: int = EPISODES, workers: int = 2,
          say: Say | None = None) -> dict[str, dict]:  # fmt: skip
    """{policy: EpisodeReport.summary() and `points` lost against float, `weights`: their bits} on unseen seeds."""
    rows: dict[str, dict] = {}
    for name, policy in chosen.items():
        note = None if say is None else lambda done, total, name=name: say(name, done, total)
        report = run_episodes(policy, unseen_seeds(episodes), execute=demo.config.execute, words=demo.config.words,
                              workers=workers, progress=note)  # fmt: skip
        rows[name] = report.summary()
    for name, row in rows.items():
        row["weights"] = stored(demo, name, chosen[name])
        row["points"] = round(100 * (rows["float"]["success"] - row["success"]), 1) if "float" in rows else None
    return rows


def main(arguments: list[str] | None = None) -> dict[str, dict]:
    """Parse the command line, run the episodes, print the table."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--policy", default="demo", help="a checkpoint, or a policy that comes along")
    parser.add_argument("--bits", nargs="+", default=["8", "4", "auto"], help="of weights: 2, 3, 4, 8, auto")
    parser.add_argument("--frames", type=int, default=FRAMES, help="for calibration")
    parser.add_argument("--only", nargs="+", default=None, help="rows to run, such as float W4A8")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None, help="where to write the figures")
    args = parser.parse_args(arguments)
    console = Console()
    with Progress(console=console, transient=True) as bars:
        tasks: dict[str, int] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        demo = load_policy(args.policy)
        chosen = policies(demo, args.bits, args.frames, show)
        if unknown := set(args.only or ()) - set(chosen):
            raise InputError(f"no row {', '.join(sorted(unknown))}; there are {', '.join(chosen)}")
        chosen = {name: policy for name, policy in chosen.items() if not args.only or name in args.only}
        rows = table(demo, chosen, args.episodes, args.workers, show)
    shown = Table("", "bits of weights", "success", "points lost", "steps (least, mean)",
                  title=f"success within 2 cm, no wrong cube touched, {args.episodes} unseen seeds")  # fmt: skip
    for name, row in rows.items():
        steps = "-" if row["steps_min"] is None else f"{row['steps_min']}, {row['steps_mean']}"
        shown.add_row(
            name,
            row["weights"],
            f"{100 * row['success']:.1f} %",
            "-" if row["points"] is None else f"{row['points']}",
            steps,
        )
    console.print(shown)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return rows


if __name__ == "__main__":
    try:
        main()
    except HwgenError as error:
        sys.exit(f"post_training: {error}")
