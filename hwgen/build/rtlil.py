"""Yosys' text format RTLIL: modules that are equal become one, so that each is synthesized once and counted often.

`read_slang --keep-hierarchy` writes a module for every instance: 2,048 multipliers are 1,024 equal modules. Two modules
are equal when their text is, but for the numbers in the names that the reader made up.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?<!\w)(\w*)\$(\d+)")  # of a made-up name: $procmux$12_CMP, $2y
_MANY = 4  # a module with so many instances stays a module; others are flattened into the one above


def merge(text: str, top: str) -> str:
    """The design `text` with equal modules joined, named DEFINITION_0, DEFINITION_1, ...; `top` keeps its name.

    Those with several instances get the attribute keep_hierarchy. Attributes of sources are dropped.
    """
    modules = _split(text)
    names: dict[str, str] = {}  # module as read -> as written
    bodies: dict[tuple[str, str], str] = {}  # definition and body -> as written
    children: dict[str, list[str]] = {}
    kept: list[tuple[str, str]] = []

    for name in _leaves_first(modules, "\\" + top):
        body, below = _rename(modules[name], names)
        definition = name.partition("$")[0]
        key = (definition, _canonical(body))
        if key not in bodies:
            number = sum(other == definition for other, _ in bodies)
            bodies[key] = name if name == "\\" + top else f"{definition}_{number}"
            children[bodies[key]] = below
            kept.append((bodies[key], body))
        names[name] = bodies[key]

    count = _instances(children, [name for name, _ in kept])
    lines = []
    for name, body in kept:
        if count[name] >= _MANY:
            lines.append("attribute \\keep_hierarchy 1\n")
        lines.append(f"module {name}\n{body}end\n")
    return "".join(lines)


def _split(text: str) -> dict[str, list[str]]:
    """Module -> its lines, without header, end and attributes."""
    modules: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if line.startswith("module "):
            lines = modules[line.split()[1]] = []
        elif line.startswith("end"):
            lines = None
        elif lines is not None and not line.lstrip().startswith("attribute \\src"):
            lines.append(line)
    return modules


def _cells(lines: list[str]) -> list[str]:
    """The types of the cells in a module, one an instance."""
    return [line.split()[1] for line in lines if line.startswith("  cell \\")]


def _leaves_first(modules: dict[str, list[str]], top: str) -> list[str]:
    """The modules below `top`, each after those that it uses."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in modules and name not in order:
            for below in _cells(modules[name]):
                visit(below)
            order[name] = None

    visit(top)
    return list(order)


def _rename(lines: list[str], names: dict[str, str]) -> tuple[str, list[str]]:
    """The body with the modules that it uses under their new names, and these, one an instance."""
    body, below = [], []
    for line in lines:
        if line.startswith("  cell \\"):
            kind = line.split()[1]
            if kind in names:
                below.append(names[kind])
                line = line.replace(kind, names[kind], 1)
        body.append(line)
    return "".join(body), below


def _canonical(body: str) -> str:
    """The body with the reader's numbers counted from 0, in the order in which they come."""
    seen: dict[str, str] = {}
    return _NUMBER.sub(lambda match: seen.setdefault(match[0], f"{match[1]}${len(seen)}"), body)


def _instances(children: dict[str, list[str]], leaves_first: list[str]) -> dict[str, int]:
    """How often each module is in the design."""
    count = dict.fromkeys(leaves_first, 0)
    count[leaves_first[-1]] = 1
    for name in reversed(leaves_first):
        for below in children[name]:
            count[below] += count[name]
    return count
