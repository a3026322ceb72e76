"""Lists from the command line, and choices as people read them."""

import pytest

pytest.importorskip("optuna", reason="needs the flow environment")

from hwgen.errors import InputError  # noqa: E402
from hwgen.search.space import Choice, Space, numbers  # noqa: E402


def test_lists():
    assert numbers("8,4,8") == (4, 8) and numbers("") == () and numbers("0.5, 1", float) == (0.5, 1.0)
    with pytest.raises(InputError, match="'4,x' is not a list of numbers"):
        numbers("4,x")


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Space(bits=(5,)), "--bits 5 is not possible: give some of 2,3,4,8"),
        (Space(bits=()), r"--bits \(none\)"),
        (Space(width=(9.0,)), "--width 9 is not possible"),
        (Space(depth=(0,)), "--depth 0 is not possible"),
        (Space(chunk=(1000,)), "--chunk 1000 is not possible"),
    ],
)
def test_values_that_are_not_possible(space, words):
    with pytest.raises(InputError, match=words):
        space.check()


def test_a_choice_in_words_and_as_parameters():
    choice = Choice({"a": 4, "b": 8, "c": 4}, 0.5, 2, 8)
    assert choice.text == "width 0.5, depth 2, chunk 8, 2 x 4 bits, 1 x 8 bits"
    assert choice.parameters == {"width": 0.5, "depth": 2, "chunk": 8, "bits.a": 4, "bits.b": 8, "bits.c": 4}
    assert Choice({"a": 4}).text == "4 bits"
