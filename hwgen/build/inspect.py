"""`hwgen inspect`: the facts of a package (`hwgen.runtime.package_info.describe`) as tables."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH = 110  # where there is no terminal to ask
_NO_BITSTREAM = "none: give one to the driver, or lay it beside the package"


def show(facts: dict) -> None:
    """Print the tables to stdout."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(_several(facts) if "stages" in facts else _main(facts))
    console.print(_tensors(facts))
    if facts["policy"]:
        console.print(_policy(facts["policy"]))
    console.print(_members(facts))


def _main(facts: dict) -> Table:
    table = _pairs(f"{facts['name']} ({facts['file']})")
    bits = facts["bitstream"]
    table.add_row("is", _is(facts["policy"]))
    table.add_row("board", f"{escape(facts['board'])}, backend {facts['backend']}, ABI {facts['abi']}")
    table.add_row("design", facts["design_hash"])
    if facts["array"]:
        table.add_row("engine", _engine(facts))
    clock = f"{facts['clock_mhz']:g} MHz ({'of the bitstream' if bits else 'assumed'})"
    table.add_row(
        "latency", f"{facts['predicted_cycles']:,} clocks = {facts['latency_us']:.2f} us at {clock}, predicted"
    )
    held = f"{bits['kind']}, {escape(bits['tool'])}, {bits['clock_mhz']:g} MHz, {bits['bytes']:,} bytes" if bits else ""
    table.add_row("bitstream", held or _NO_BITSTREAM)
    table.add_row("self-test", _vectors(facts))
    return table


def _several(facts: dict) -> Table:
    """`_main` of a package of several engines."""
    table = _pairs(f"{facts['name']} ({facts['file']})")
    replicas = len(facts["stages"]) == 1
    how = "replicas" if replicas else f"a pipeline of {len(facts['stages'])} stages"
    table.add_row("is", f"{_is(facts['policy'])}, on {sum(facts['copies'])} engines: {how}")
    table.add_row("board", f"{escape(facts['board'])}, ABI {facts['stages'][0]['abi']}")
    for number, (many, stage) in enumerate(zip(facts["copies"], facts["stages"], strict=True)):
        table.add_row(f"stage {number}", f"{many} x design {stage['design_hash']}: {_engine(stage)}; "
                      f"{stage['predicted_cycles']:,} clocks, predicted")  # fmt: skip
    clock = f"{facts['clock_mhz']:g} MHz (assumed)"
    between = f", {facts['handover_cycles']:,} of them between stages (assumed)" * (not replicas)
    table.add_row(
        "latency", f"{facts['predicted_cycles']:,} clocks{between} = {facts['latency_us']:.2f} us at {clock}, predicted"
    )
    table.add_row("answers", f"one in {facts['interval_cycles']:,} clocks when all engines work: "
                  f"{facts['answers_a_second']:,.0f} a second")  # fmt: skip
    table.add_row("bitstream", _NO_BITSTREAM)
    table.add_row("self-test", _vectors(facts))
    table.add_row("driver", "hwgen.runtime.Engines, hwgen-board")
    return table


def _is(policy: dict | None) -> str:
    return f"the policy {escape(policy['name'])}, whole" if policy else "an accelerator alone"


def _engine(facts: dict) -> str:
    n, m = facts["array"]
    engine = {k: v for k, v in (facts["engine"] or {}).items() if k not in ("n", "m")}
    return f"{n}x{m} array; " + ", ".join(f"{k} {_plain(v)}" for k, v in engine.items())


def _vectors(facts: dict) -> str:
    tests = facts["selftest"]
    told = f"{tests['accelerator']} golden vectors of the accelerator"
    return told + (f", {tests['policy']} of the whole policy" if facts["policy"] else "")


def _tensors(facts: dict) -> Table:
    table = Table("tensor", "", "shape", "dtype", "range", "scale", "bytes", title="accelerator", title_justify="left")
    for side in ("inputs", "outputs"):
        for t in facts[side]:
            span = f"{t['lo']}..{t['hi']}"
            row = (t["name"], side[:-1], _shape(t["shape"]), t["dtype"], span, _plain(t["scale"]), f"{t['bytes']:,}")
            table.add_row(*map(escape, row))
    return table


def _policy(policy: dict) -> Table:
    table = _pairs(f"policy {policy['name']}")
    for o in policy["observation"]:
        text = f"{o['kind']} {_shape(o['shape'])} {o['unit']}".strip()
        if "mean" in o:
            text += f", (x - {_plain(o['mean'])}) / {_plain(o['std'])}, scale {_plain(o['scale'])}"
        if "default" in o:
            text += f", {_plain(o['default'])} if left out"
        if "words" in o:
            text += f", {o['words']} words -> {o['size']} numbers, scale {_plain(o['scale'])}"
        table.add_row(f"sees {escape(o['name'])}", escape(f"{text} -> tensor {o['to']}"))
    for part in ("before", "after"):
        host = policy[part]
        text = f"{', '.join(host['inputs'])} -> {', '.join(host['outputs'])}" if host else "nothing"
        table.add_row(f"host, {part}", escape(text))
    a = policy["action"]
    text = f"{_shape(a['shape'])} {'/'.join(dict.fromkeys(a['unit']))}, scale {_plain(a['scale'])}"
    text += f", x * {_plain(a['std'])} + {_plain(a['mean'])}"
    if a["low"] is not None or a["high"] is not None:
        text += f", in {_plain(a['low'])}..{_plain(a['high'])}"
    table.add_row("acts", escape(text))
    table.add_row(
        "rhythm", f"chunks of {policy['chunk']}, of which {policy['execute']} are carried out, {policy['rate_hz']:g} Hz"
    )
    safe = policy["safe_action"]
    table.add_row("safe action", "none" if safe is None else _plain(safe))
    return table


def _members(facts: dict) -> Table:
    table = Table("part", "bytes", "sha256, verified", title="parts", title_justify="left")
    for member in facts["members"]:
        table.add_row(member["name"], f"{member['bytes']:,}", member["sha256"])
    return table


def _pairs(title: str) -> Table:
    return Table("", "", title=escape(title), title_justify="left", show_header=False)


def _shape(shape: list[int]) -> str:
    return "x".join(map(str, shape))


def _plain(value: object) -> str:
    """A number, or a short list of them."""
    if isinstance(value, list):
        shown = ", ".join(f"{v:.4g}" for v in value[:6])
        return f"[{shown}{', ...' if len(value) > 6 else ''}]"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
