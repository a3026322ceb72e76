"""A picture of one run: what each unit did when, from the spans in report.json."""

from __future__ import annotations

from pathlib import Path

LANES = {
    "DIN": "input from DDR",
    "STREAM": "weights from DDR",
    "MM": "array",
    "ROW": "norms, softmax",
    "VEC": "products, maxima",
    "DOUT": "output to DDR",
}
FEW = 60  # spans of a unit, that are told apart by an edge
COLOURS = dict(zip(LANES, ("#7f9fbf", "#bf3f3f", "#2f6f4f", "#bf7f2f", "#bf5f7f", "#7f5f9f"), strict=True))


def draw(report: dict, path: Path) -> Path:
    """Draw the units of `report` over the clocks of one inference; writes PNG (or PDF, SVG) and returns the path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    lanes = [unit for unit in LANES if any(span["unit"] == unit for span in report["spans"])]
    figure, axes = plt.subplots(figsize=(11, 0.6 * len(lanes) + 1.4), layout="constrained")
    total = report["latency_cycles"] or report["predicted_cycles"]
    for y, unit in enumerate(lanes):
        spans = [span for span in report["spans"] if span["unit"] == unit]
        bars = [(span["first"], span["last"] - span["first"] + 1) for span in spans]
        edge = "white" if len(spans) <= FEW else "none"
        axes.broken_barh(bars, (y - 0.4, 0.8), facecolor=COLOURS[unit], edgecolor=edge, linewidth=0.6)
        for (first, length), span in zip(bars, spans, strict=True):
            if length > total / 14:
                name = {"ha": "center", "va": "center", "fontsize": 7, "color": "white", "clip_on": True}
                axes.text(first + length / 2, y, span["name"], **name)
    axes.set_yticks(range(len(lanes)), [LANES[unit] for unit in lanes])
    axes.invert_yaxis()
    axes.set_xlim(0, total)
    axes.set_xlabel("clocks after START")
    axes.set_title(
        f"{report['name']}: {total} clocks, array {report['array'][0]}x{report['array'][1]}, "
        f"{report['utilization']:.0%} of its multiplications used",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
