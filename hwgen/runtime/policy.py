"""The host's share of a policy: from an observation to the accelerator's integers, and from its integers to actions.

observe   check, and turn into integers: an image by its axes, a vector by (x - mean) / std and its tensor's scale,
          an instruction by its words
before    the host program in front of the accelerator
after     the host program behind it
actions   integers * scale, reshaped to (chunk, dof), * std + mean, clipped; all in float32
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwgen.runtime.checks import check_names, check_out
from hwgen.runtime.convert import Unpacker
from hwgen.runtime.observation import narrowest, reader
from hwgen.runtime.policy_spec import PolicySpec
from hwgen.runtime.text import TextEncoder

Views = Mapping[str, np.ndarray]


class PolicyHost:
    """A policy on the host: what its two slots share (host programs, text encoders with their caches)."""

    def __init__(self, spec: PolicySpec) -> None:
        self.spec = spec
        texts = {o.name: o.words for o in spec.observation if o.kind == "text"}
        self.encoders = {name: TextEncoder(words.weights, words.size, words.floor) for name, words in texts.items()}

    def slot(self, inputs: Views, outputs: Mapping[str, Unpacker]) -> PolicySlot:
        """The policy over one slot: `inputs` are written, `outputs` read."""
        return PolicySlot(self, inputs, outputs)


class PolicySlot:
    """See the module; the four steps are called in order, `after` once the accelerator ran. One thread at a time."""

    def __init__(self, host: PolicyHost, inputs: Views, outputs: Mapping[str, Unpacker]) -> None:
        self.spec, self._inputs, self._outputs = host.spec, inputs, outputs
        self._readers = {o.name: reader(o, host.encoders.get(o.name)) for o in self.spec.observation}
        self._to = {o.name: o.to for o in self.spec.observation}
        self._defaults = {o.name: o.default for o in self.spec.observation if o.default is not None}
        late = set() if self.spec.after is None else set(self.spec.after.inputs) - set(inputs)
        self._kept = {
            o.to: np.empty(o.tensor.shape, narrowest(o.tensor)) for o in self.spec.observation if o.to in late
        }  # what `after` still reads while the caller's arrays change already
        self._tensors: dict[str, np.ndarray] = {}
        self._result: np.ndarray | None = None
        action = self.spec.action
        self._work = np.empty(action.tensor.shape, np.float32)
        self._scale = action.tensor.scale.astype(np.float32)

    def observe(self, observation: object) -> None:
        """{name: array or text} -> integer tensors. Raises InputFault naming the observation and what it should be."""
        check_names(observation, self._readers, "the observation is", "this policy takes", self._defaults)
        for name, read in self._readers.items():
            given = observation[name] if name in observation else self._defaults[name]
            to, integers = self._to[name], read(given)
            if to in self._inputs:
                np.copyto(self._inputs[to], integers, casting="unsafe")
            if to in self._kept:
                np.copyto(self._kept[to], integers, casting="unsafe")
            self._tensors[to] = integers

    def before(self) -> None:
        """Fill the accelerator's inputs that the host computes."""
        program = self.spec.before
        if program is not None:
            made = program.run({name: self._tensors[name] for name in program.inputs})
            for name, integers in made.items():
                np.copyto(self._inputs[name], integers, casting="unsafe")
        self._tensors.clear()  # holds the caller's frame no longer

    def after(self) -> None:
        """Compute the action's integers from the accelerator's outputs."""
        program, source = self.spec.after, self.spec.action.source
        if program is None:
            self._result = self._outputs[source].integers()
            return
        made = {**self._inputs, **self._kept, **{name: out.integers() for name, out in self._outputs.items()}}
        self._result = program.run({name: made[name] for name in program.inputs})[source]

    def actions(self, out: np.ndarray | None = None) -> np.ndarray:
        """float32 [chunk, dof] in the action's units, in `out` where given."""
        action, work = self.spec.action, self._work
        np.copyto(work, self._result, casting="same_kind")
        np.multiply(work, self._scale, out=work)
        if out is None:
            out = np.empty(action.shape, np.float32)
        np.multiply(work.reshape(action.shape), action.std, out=out)
        np.add(out, action.mean, out=out)
        if action.low is not None:
            np.maximum(out, action.low, out=out)
        if action.high is not None:
            np.minimum(out, action.high, out=out)
        return out

    def check_out(self, out: object) -> None:
        """Raise InputFault where `out` cannot take the actions."""
        check_out("out", out, np.dtype("f4"), self.spec.action.shape)
