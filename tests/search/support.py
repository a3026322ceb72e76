"""A thing to search that takes no time: two layers, whose bits and width change what the hardware takes."""

import dataclasses
from pathlib import Path

import numpy as np

from hwgen import boards
from hwgen.graph import GraphBuilder
from hwgen.search import space as spaces
from hwgen.search.space import Choice, Space
from hwgen.search.storage import Storage
from hwgen.search.study import Search, Task
from hwgen.search.subject import SQNR, Outcome

LAYERS = ("first", "second")
WIDTH = 16


class Toy:
    """The quality is the sum of the bits, times the width. during: called in every trial, with how many there were."""

    name, quality = "toy", SQNR

    def __init__(self, space=None, during=lambda trial: None):
        self.space, self.during, self.asked = space or Space(width=(1.0, 2.0)), during, []

    def identity(self):
        return {"policy": self.name, "bits": list(self.space.bits)}

    def first(self):
        return [Choice(dict.fromkeys(LAYERS, bits), min(self.space.width)) for bits in self.space.bits]

    def smallest(self):
        return self.graph(self.first()[0]), "the smallest toy"

    def ask(self, trial):
        return dataclasses.replace(spaces.shape(trial, self.space), bits=spaces.bits(trial, self.space, LAYERS))

    def choice(self, parameters):
        return Choice({name: parameters[f"bits.{name}"] for name in LAYERS}, parameters["width"])

    def run(self, choice, keep, judge, say):
        self.asked.append(choice)
        engine = judge.hardware(self.graph(choice))
        say("toy", 1, 1)
        self.during(len(self.asked))
        return Outcome(sum(choice.bits.values()) * choice.width, engine)

    def write(self, choice, trained, folder, say):
        (folder / "best.onnx").write_text("toy")
        return folder / "best.onnx"

    def graph(self, choice):
        rng, b, size = np.random.default_rng(0), GraphBuilder("toy"), int(WIDTH * choice.width)
        x = b.input("x", (size,), bits=8, signed=True, scale=2**-6)
        for name, bits in choice.bits.items():
            top = 1 << (bits - 1)
            acc = b.linear(x, rng.integers(-top, top, (size, size)), 2**-4, weight_bits=bits, name=name)
            x = b.requantize(acc, bits=8, signed=True, scale=2**-3)
        b.output(x, "y")
        return b.build()


def urls(folder: Path) -> dict[str, str]:
    """A storage of each kind that is a file."""
    return {"sqlite": f"sqlite:///{folder / 'study.db'}", "journal": f"journal:{folder / 'study.log'}"}


def search(toy, folder, url, trials=6, deadline_us=None, name="study", board="ulx3s", seed=1):
    """A worker's search; ulx3s has one array, so that compiling takes no time."""
    task = Task(toy, boards.load(board), board, deadline_us, trials, folder, seed)
    return Search(task, Storage(url), name)


def run(worker):
    """Do the trials; returns those that this worker ended."""
    ended = []
    worker.run(lambda *call: None, ended.append)
    return ended
