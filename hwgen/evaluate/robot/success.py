"""Success of the float and the integer policy, with all controls: `python -m hwgen.evaluate.robot.success`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from hwgen.evaluate.closed_loop import CONDITIONS, EPISODES, Policy, run_episodes, unseen_seeds
from hwgen.policies.loading import load_policy
from hwgen.policies.policy import Policy as Trained

Rows = dict[str, dict[str, dict]]


def success_table(
    demo: Trained,
    policies: dict[str, Policy],
    episodes: int = EPISODES,
    workers: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> Rows:
    """{condition: {policy name: EpisodeReport.summary()}} on unseen seeds. progress(what, done, total)."""
    rows: Rows = {}
    for condition, options in CONDITIONS.items():
        rows[condition] = {}
        for name, policy in policies.items():
            label = f"{name}, {condition}"
            note = None if progress is None else lambda done, total, label=label: progress(label, done, total)
            report = run_episodes(
                policy, unseen_seeds(episodes), execute=demo.config.execute, words=demo.config.words, workers=workers,
                progress=note, **options,
            )  # fmt: skip
            rows[condition][name] = report.summary()
    return rows


def main() -> None:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--policy", default="demo", help="a checkpoint, or a policy that comes along")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None, help="where to write the figures")
    args = parser.parse_args()
    demo = load_policy(args.policy)
    policies = {"float": demo.float_policy, "integer": demo.integer_policy()}
    console = Console()
    with Progress(console=console, transient=True) as bars:
        tasks: dict[str, int] = {}

        def show(what: str, done: int, total: int) -> None:
            tasks.setdefault(what, -1)
            if tasks[what] < 0:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        rows = success_table(demo, policies, args.episodes, args.workers, show)
    table = Table(title=f"success within 2 cm, no wrong cube touched, {args.episodes} unseen seeds")
    for heading in ("", *policies, "steps (least, mean)"):
        table.add_column(heading)
    for condition, cells in rows.items():
        steps = cells["integer"]
        taken = "-" if steps["steps_min"] is None else f"{steps['steps_min']}, {steps['steps_mean']}"
        table.add_row(condition, *(f"{100 * cells[name]['success']:.1f} %" for name in policies), taken)
    console.print(table)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
