"""`hwgen zoo`: what the zoo holds, and one entry in full."""

from __future__ import annotations

import json
from collections import Counter

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from hwgen.graph import Graph
from hwgen.policies import zoo
from hwgen.policies.zoo.catalogue import ENTRIES, SMALL, Entry, Size

WIDTH = 150  # where there is no terminal


def show(name: str | None, as_json: bool) -> None:
    """Print all entries, or one of them as it is built (`name`: as in `zoo:NAME`); as_json: for programs.

    Raises HwgenError for a name or parameters that are wrong.
    """
    facts = [listed(entry) for entry in ENTRIES] if name is None else built(name)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    for table in _all(facts) if name is None else [_one(facts)]:
        console.print(table)


def listed(entry: Entry) -> dict:
    """An entry as the catalogue has it."""
    sizes = {"full": entry.full, "small": entry.small}
    return {"name": entry.name, "what": entry.what, "source": entry.source, "bits": entry.bits} | {
        key: _size(entry.name if key == "full" else entry.name + SMALL, size) for key, size in sizes.items()
    }


def built(text: str) -> dict:
    """An entry as it is built, with the parameters in `text`."""
    chosen = zoo.find(text)
    graph = chosen.build()
    inputs, outputs = tensors(graph, graph.inputs), tensors(graph, graph.outputs)
    size = Size(chosen.given, inputs, outputs, graph.macs(), weights(graph))
    return {
        "name": chosen.name, "what": chosen.entry.what, "source": chosen.entry.source, "bits": chosen.bits,
        "about": chosen.describe(), **_size(chosen.name, size), "nodes": dict(Counter(n.op for n in graph.nodes)),
    }  # fmt: skip


def tensors(graph: Graph, names: list[str]) -> str:
    """Names, shapes and types of tensors in a line."""
    found = [graph.tensors[name] for name in names]
    return ", ".join(f"{t.name} {'x'.join(map(str, t.shape))} {t.dtype}" for t in found)


def weights(graph: Graph) -> int:
    """How many weights a graph holds; those that several nodes share count once."""
    held = {id(node.weight): node.weight.size for node in graph.nodes if hasattr(node, "weight")}
    return sum(held.values())


def _size(name: str, size: Size) -> dict:
    parameters = {key: value for key, value in size.given.items() if isinstance(value, int) and value}
    return {"zoo": f"{zoo.PREFIX}{name}", "parameters": parameters, "inputs": size.inputs, "outputs": size.outputs,
            "macs": size.macs, "weights": size.weights}  # fmt: skip


def _all(rows: list[dict]) -> list[Table]:
    full = _table("The zoo: zoo:NAME wherever a graph goes. M: a million", "what", "inputs", "outputs")
    small = _table("Small sizes, to simulate", "inputs", "outputs")
    for head in ("MMACs", "Mweights"):
        full.add_column(head, justify="right")
        small.add_column(head, justify="right")
    full.add_column("source")
    for row in rows:
        full.add_row(row["name"], row["what"], *_figures(row["full"]), row["source"])
        small.add_row(row["name"] + SMALL, *_figures(row["small"]))
    return [full, small]


def _figures(size: dict) -> tuple[str, str, str, str]:
    millions = (f"{size[key] / 1e6:,.3f}" for key in ("macs", "weights"))
    return size["inputs"], size["outputs"], *millions


def _one(row: dict) -> Table:
    table = _table(row["what"], "value")
    parameters = {"bits": row["bits"]} | row["parameters"]
    table.add_row("name", row["zoo"])
    table.add_row("parameters", ", ".join(f"{key}={value}" for key, value in parameters.items()))
    for key in ("inputs", "outputs"):
        table.add_row(key, escape(row[key]))
    for key in ("macs", "weights"):
        table.add_row(key, f"{row[key]:,}")
    table.add_row("nodes", ", ".join(f"{count} {op}" for op, count in row["nodes"].items()))
    table.add_row("source", row["source"])
    table.add_row("about", escape(row["about"]))
    return table


def _table(title: str, *heads: str) -> Table:
    """A table whose first column is a name, which is never cut."""
    return Table(Column("name", no_wrap=True), *heads, box=box.SIMPLE_HEAD, title=title, title_justify="left")
