"""Commands on packages: package, inspect."""

import json
from pathlib import Path
from typing import Annotated

import typer

from hwgen.cli import common
from hwgen.errors import InputError

app = typer.Typer()


@app.command()
def package(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What `hwgen generate` or `hwgen bitstream` wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The package.")] = Path("policy.hwpkg"),
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|CHECKPOINT|FILE.toml",
            help="The policy that the graph is a part of, or a file that says what its numbers mean (docs/package.md); "
            "`none`: the accelerator alone. Default: what the graph says.",
            show_default=False,
        ),
    ] = None,
    bitstream: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .bit, or a package that holds one. Default: DIR's.", show_default=False),
    ] = None,
    no_bitstream: Annotated[bool, typer.Option("--no-bitstream", help="Leave the bitstream out.")] = False,
    rate_hz: Annotated[
        float | None, typer.Option(metavar="HZ", help="Actions a second, instead of the policy's own.")
    ] = None,
) -> None:
    """Put all that a robot needs into one file: program, weights, what the host computes, golden vectors, bitstream.

    Example: `hwgen package build/demo -o policy.hwpkg`
    """
    common.must_be_design(directory)
    common.must_exist(bitstream)
    if common.call("hwgen.build.package_engines", "is_one")(directory):
        if bitstream is not None:
            raise InputError("a package of several engines holds no bitstream: put the .bit and .hwh beside it")
        made = common.call("hwgen.build.package_engines", "package")(directory, out, policy, rate_hz, _note)
        typer.echo(common.call("hwgen.build.package_engines", "summary")(made, out.stat().st_size))
        return
    make = common.call("hwgen.build.package", "package")
    made = make(directory, out, policy, bitstream, no_bitstream, rate_hz, _note)
    typer.echo(common.call("hwgen.build.package", "summary")(made, out.stat().st_size))


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="PACKAGE", help="A .hwpkg file.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[OTHER]", help="Does its program run on the first one's bitstream?")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same as JSON.")] = False,
) -> None:
    """Check every part of a package and show what it is. With two: whether the second runs on the first's bitstream.

    Two packages that do not go together end with exit code 1.

    Example: `hwgen inspect policy.hwpkg`
    """
    from hwgen.runtime import engines_info
    from hwgen.runtime.engines_package import read_any

    first = read_any(file)
    if other is None:
        facts = engines_info.describe(first)
        if as_json:
            typer.echo(json.dumps(facts, indent=1))
        else:
            common.call("hwgen.build.inspect", "show")(facts)
        return
    reasons = engines_info.differences(first, read_any(other))
    if as_json:
        typer.echo(json.dumps({"bitstream_of": str(file), "program_of": str(other), "differences": reasons}, indent=1))
    elif reasons:
        typer.echo(f"{other} does not run on the bitstream of {file}: {'; '.join(reasons)}")
    else:
        typer.echo(f"{other} runs on the bitstream of {file}: both are of design {engines_info.designs(first)}")
    raise typer.Exit(1 if reasons else 0)


def _note(line: str) -> None:
    """Notes go to stderr, the result to stdout."""
    typer.echo(f"note: {line}", err=True)
