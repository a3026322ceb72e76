"""The ring in words, and what stays on the chip."""

from hwgen.policies import zoo
from hwgen.schedule import EngineConfig, compile_graph
from hwgen.schedule.compile import with_streams
from hwgen.schedule.resident import Area, Ring, Use, chosen

CONFIG = EngineConfig(16, 16, weight_depth=100, stream_ports=1)  # 16 clocks a word


def layers(*kinds: tuple[int, int]) -> tuple[list[Area], list[Use]]:
    """Areas one behind the other of (words, array clocks a word), each read once."""
    areas, uses, at = [], [], 0
    for words, steps in kinds:
        areas.append(Area(at, at + words, 1, words, words))
        uses.append(Use(areas[-1], (at, at + words), words * steps, 0))
        at += words
    return areas, uses


def test_a_block_takes_the_place_of_the_oldest():
    ring = Ring(10)
    assert ring.place((0, 4)) == (0, 0) and ring.place((4, 8)) == (4, 0)
    ring.used((0, 4), 7)
    ring.used((4, 8), 9)
    assert ring.at((0, 4)) == 0
    assert ring.place((8, 12)) == (0, 7)  # two words at the end stay empty
    assert ring.at((0, 4)) is None and ring.at((4, 8)) == 4


def test_everything_stays_where_it_fits():
    areas, uses = layers((50, 1), (50, 1))
    assert chosen(areas, uses, areas, CONFIG, 2) == {0, 50}


def test_what_hides_behind_the_array_is_brought():
    """The first block would be waited for; of the last two, of few clocks a word, the ring holds one in time."""
    areas, uses = layers((10, 100), (20, 100), (20, 100), (20, 100), (20, 1), (20, 1))
    assert chosen(areas, uses, areas, CONFIG, 2) == {0, 90}


def test_what_a_loop_reads_again_and_again_stays():
    areas, uses = layers((20, 2), (60, 2), (20, 2), (20, 2))
    again = [use for use in uses if use.area is areas[0]] * 9
    areas[0].uses = 10
    ordered = [uses[0]]
    for use in uses[1:]:
        ordered += [use, *again[:3]]
    assert 0 in chosen(areas, ordered, areas, CONFIG.resized(weight_depth=119), 1)


def test_what_writes_the_output_stays_where_another_can_come():
    """An output leaves only behind the last block of what writes it: 2,048 beats here, that nothing would hide."""
    design = compile_graph(zoo.graph("zoo:octo-smallstem-128"), 32, 64)
    found = with_streams(design, 512, 3)
    names = {fetch.name for fetch in found.program.fetches}
    assert names and "tokens" not in names
    assert found.timing.latency <= 1.02 * design.timing.latency
