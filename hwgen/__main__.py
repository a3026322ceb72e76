"""The entry point of the `hwgen` command: explains itself where the robot's side alone is installed."""

import sys


def main() -> None:
    """Run the command line; without the flow extra, say how to get it."""
    try:
        from hwgen.cli import main as command
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit(
            "hwgen: this installation holds the robot's side alone (import hwgen.runtime). "
            "The command needs Python 3.11 and: pip install 'hwgen[flow]'"
        )
    command()


if __name__ == "__main__":
    main()
