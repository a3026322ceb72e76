"""The Verilog that Vitis HLS exported: where it lies, which module is the core, and what ports that has.

Only the core's own declarations are elaborated (by Verilator), for an export can be hundreds of files.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hwgen.backends.shell.wiring import Port
from hwgen.build import toolchain
from hwgen.errors import InputError, ToolError

SUFFIXES = (".v", ".sv")
TIMEOUT = 120.0  # seconds to elaborate one module's declarations
_MOST = 256 << 20  # bytes of one source file
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\(\*(?!\s*\)).*?\*\)", re.S)
_MODULE = re.compile(r"^\s*module\s+(\w+)", re.M)
_DECLARATION = re.compile(r"^[ \t]*(?:input|output|inout|parameter|localparam)\b[^;]*;", re.M)
_READMEM = re.compile(r'(\$readmem[bh]\s*\(\s*")([^"]*)(")')


@dataclass(frozen=True)
class Export:
    """`files`: the Verilog; `core`: the one with module `top`; `data`: memory contents beside them."""

    top: str
    core: Path
    files: tuple[Path, ...]
    data: tuple[Path, ...]


def find(path: Path, top: str) -> Export:
    """The export at `path`: a Verilog file, a folder of Verilog, or a Vitis project above it. Raises InputError."""
    if not path.exists():
        raise InputError(f"{path} does not exist; give the Verilog that Vitis HLS exported")
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path} is no Verilog file ({' or '.join(SUFFIXES)})")
        folder = path.parent  # what Vitis makes beside the core begins with its name
        files = [path, *(file for file in verilog(folder) if file.stem.startswith(f"{top}_") and file != path)]
    else:
        folder = _folder(path, top)
        files = verilog(folder)
    modules = {file: _MODULE.findall(_code(file)) for file in files}
    core = next((file for file in files if top in modules[file]), None)
    if core is None:
        names = sorted({name for found in modules.values() for name in found})
        raise InputError(
            f"{path}: no module {top} in {len(files)} Verilog files (modules: {', '.join(names[:8]) or 'none'}"
            f"{', ...' if len(names) > 8 else ''}); is it the export of this very project?"
        )
    data = sorted(file for file in folder.iterdir() if file.suffix in (".dat", ".mem", ".hex"))
    return Export(top, core, tuple(files), tuple(data))


def ports(export: Export) -> dict[str, Port]:
    """The core's ports by name, in their order. Raises InputError when they cannot be read."""
    text = _code(export.core)
    start = re.search(rf"^\s*module\s+{export.top}\b", text, re.M)
    end = text.find("endmodule", start.end()) if start else -1
    header = text.find(";", start.end()) if start else -1
    if end < 0 or not 0 <= header < end:
        raise InputError(f"{export.core}: module {export.top} has no end; the file is cut off")
    body = "\n".join(_DECLARATION.findall(text[header + 1 : end]))
    stub = f"{text[start.start() : header + 1]}\n{body}\nendmodule\n"
    with tempfile.TemporaryDirectory(prefix="hwgen-ports-") as name:
        work = Path(name)
        (work / "stub.v").write_text(stub)
        words = ["verilator", "--json-only", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Mdir", work]
        try:
            toolchain.run([*words, "--prefix", "stub", "--top-module", export.top, work / "stub.v"], timeout=TIMEOUT)
            tree = json.loads((work / "stub.tree.json").read_text())
        except (ToolError, OSError, ValueError) as error:
            reason = str(error).replace(f"{work}/stub.v", export.core.name)
            raise InputError(f"{export.core}: the ports of module {export.top} cannot be read: {reason}") from None
    found = _ports(tree)
    if not found:
        raise InputError(f"{export.core}: module {export.top} has no ports; is it the export of this very project?")
    return found


def copy(export: Export, target: Path) -> list[Path]:
    """Copy the Verilog and its data into a folder, with absolute paths to the data. Returns the Verilog."""
    target.mkdir(parents=True, exist_ok=True)
    target = target.resolve()
    for file in export.data:
        (target / file.name).write_bytes(file.read_bytes())
    names = {file.name for file in export.data}

    def absolute(call: re.Match) -> str:
        name = Path(call[2]).name
        if name not in names:
            raise InputError(
                f"{export.core.parent}: the Verilog reads {call[2]}, which is not there; copy it as a whole"
            )
        return f"{call[1]}{target / name}{call[3]}"

    out = []
    for file in export.files:
        out.append(target / file.name)
        out[-1].write_text(_READMEM.sub(absolute, _text(file)))
    return out


def _folder(path: Path, top: str) -> Path:
    """The folder below `path` that holds the export: of several, that of the implementation, and the outermost."""
    if verilog(path):
        return path
    found = {file.parent for suffix in SUFFIXES for file in path.rglob(f"{top}{suffix}")}
    found = {folder for folder in found if "sim" not in folder.relative_to(path).parts}
    if not found:
        found = {file.parent for file in path.rglob("*") if file.suffix in SUFFIXES}
    if not found:
        raise InputError(f"{path} holds no Verilog; give the folder syn/verilog or impl/verilog of the Vitis solution")
    return min(found, key=lambda folder: ("impl" not in folder.parts, len(folder.parts), str(folder)))


def verilog(folder: Path) -> list[Path]:
    """The Verilog files of one folder, sorted."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.suffix in SUFFIXES)


def _code(file: Path) -> str:
    """A file without comments and attributes."""
    return _COMMENT.sub(" ", _text(file))


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _MOST:
            raise InputError(f"{file} is larger than {_MOST >> 20} MiB; that is no Verilog of a core")
        return file.read_text(errors="replace")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from None


def _ports(tree: dict) -> dict[str, Port]:
    """Ports of the only module in Verilator's JSON tree."""
    types = {node["addr"]: node for node in _nodes(tree.get("miscsp", [])) if "addr" in node}
    out = {}
    for node in _nodes(tree.get("modulesp", [])):
        if node.get("type") == "VAR" and node.get("isPrimaryIO"):
            span = types.get(node.get("dtypep"), {}).get("range", "0:0")
            left, right = (int(end) for end in span.split(":"))
            out[node["name"]] = Port(node["direction"] == "INPUT", abs(left - right) + 1)
    return out


def _nodes(part: object) -> Iterable[dict]:
    if isinstance(part, list):
        for item in part:
            yield from _nodes(item)
    elif isinstance(part, dict):
        yield part
        for item in part.values():
            if isinstance(item, list):
                yield from _nodes(item)
