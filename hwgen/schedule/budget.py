"""How much of a board's memory a design's weights may take, and what comes from DDR then."""

from __future__ import annotations

from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.schedule import fit
from hwgen.schedule.compile import Design, with_streams
from hwgen.schedule.config import EngineConfig

DDR_SHARES = (1 / 4, 1 / 2, 3 / 4)  # of all words, what stays on the chip when DDR is asked for: the first that can


def fitted(design: Design, board: Board, ports: int, from_ddr: bool = False) -> Design:
    """The design, when it fits the board. Where only its weights do not, and memory `ports` may bring them from DDR:
    with as many of them on the chip as fit. from_ddr: so even where they would fit. Raises FitError.
    """
    ports = usable(design, ports)
    try:
        fit.check(design.config, board)
        if not from_ddr:
            return design
    except FitError as error:
        if not ports:
            raise
        why = str(error)
    else:
        why = f"no weights of it come from DDR over {ports} ports"
    try:
        fit.check(streaming(design.config, ports, 1), board)
    except FitError:  # not for its weights alone
        raise FitError(why) from None
    count = len(design.program.weights)
    most = fit.weight_words(streaming(design.config, ports, 1), board)
    for words in [int(count * share) for share in DDR_SHARES] if from_ddr else range(most, 0, -fit.BRAM_WORDS):
        if not 0 < words <= most or words >= count:
            continue
        try:
            found = with_streams(design, words, ports)
            most = min(most, fit.weight_words(found.config, board))  # longer programs take block RAM, too
            fit.check(found.config, board)
            return found
        except FitError as error:
            why = f"with {words} words of weights on the chip: {error}"
    raise FitError(why)


def streaming(config: EngineConfig, ports: int, words: int) -> EngineConfig:
    """An engine with so many words of weights on the chip and the others from DDR. Its programs may be longer."""
    return config.resized(weight_depth=words, stream_ports=ports)


def usable(design: Design, ports: int) -> int:
    """Of so many ports, those that can share the beats of a weight word so that each has some."""
    beats = design.config.weight_beats
    return next((p for p in range(min(ports, beats), 0, -1) if (p - 1) * -(-beats // p) < beats), 0)
