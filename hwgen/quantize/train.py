"""`hwgen train`: the training of any policy that comes along, its progress and its report."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hwgen.policies.config import PolicyConfig, VitFlowConfig
from hwgen.policies.shipped import SHAPES, checkpoint_file
from hwgen.quantize import train_demo, train_flow

TRAININGS = {PolicyConfig: train_demo, VitFlowConfig: train_flow}
"""By the kind of a policy's shape: a module with `train` and the recipe QUICK."""


def main(policy: str = "demo", out: Path | None = None, quick: bool = False) -> dict:
    """`hwgen train`: run the recipe, print each stage's progress and the report.

    policy: a name in SHAPES. quick: a trial run to build/train. Raises InputError for an unknown name.
    """
    shipped = checkpoint_file(policy)
    training = TRAININGS[type(SHAPES[policy])]
    out = out or (Path("build/train/quick.safetensors") if quick else shipped)
    columns = TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console()) as bars:
        tasks: dict[str, int] = {}

        def show(stage: str, done: int, total: int, note: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note="")
            bars.update(tasks[stage], completed=done, note=note)
            if not bars.console.is_terminal:
                bars.console.print(f"{stage} {done}/{total} {note}", highlight=False)

        report = training.train(out, training.QUICK if quick else None, progress=show, shape=SHAPES[policy])
    for name, value in report.items():
        print(f"{name:>16} {value}")
    print(f"checkpoint: {out}")
    return report


if __name__ == "__main__":
    main()
