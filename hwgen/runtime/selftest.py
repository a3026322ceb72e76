"""Golden vectors on the hardware: every integer of the accelerator, and every number of the whole policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hwgen.runtime.errors import SelftestError
from hwgen.runtime.package import Package
from hwgen.runtime.package_vectors import unpack_texts
from hwgen.runtime.policy_spec import ACTION

if TYPE_CHECKING:
    from hwgen.runtime.engines_package import EnginesPackage

Infer = Callable[..., dict[str, np.ndarray] | np.ndarray]
"""infer(inputs, raw=bool), as of an Accelerator."""


def run_vectors(package: Package, infer: Infer, cycles: Callable[[], int]) -> dict[str, int]:
    """The accelerator's golden vectors: {"vectors", "latency_cycles" (largest), "predicted_cycles"}. Raises
    SelftestError naming the first difference."""
    vectors, slowest = package.selftest, 0
    count = len(next(iter(vectors.values())))
    for i in range(count):
        got = infer({t.name: vectors[t.name][i] for t in package.inputs}, raw=True)
        slowest = max(slowest, cycles())
        for name, array in got.items():
            _compare(
                package, f"vector {i} of {count}, output '{name}'", array, vectors[name][i],
                "the hardware computes wrong: check timing closure and the memory port",
            )  # fmt: skip
    return {"vectors": count, "latency_cycles": slowest, "predicted_cycles": package.manifest["predicted_cycles"]}


def run_policy(package: Package, infer: Infer) -> dict[str, int]:
    """The whole policy's golden observations: {"policy_vectors"}, 0 where there is no policy. Raises SelftestError."""
    if package.policy is None or package.policy_selftest is None:
        return {"policy_vectors": 0}
    inputs, actions = observations(package), package.policy_selftest[ACTION]
    for i, (observation, want) in enumerate(zip(inputs, actions, strict=True)):
        _compare(
            package, f"observation {i} of {len(inputs)}, the action", infer(observation), want,
            "the accelerator's own vectors are right, so the host's part differs: update hwgen or numpy here",
        )  # fmt: skip
    return {"policy_vectors": len(inputs)}


def observations(package: Package | EnginesPackage) -> list[dict[str, object]]:
    """The golden observations of a package with a policy, as `infer` takes them."""
    vectors = package.policy_selftest or {}
    texts = {o.name for o in package.policy.observation if o.kind == "text"}
    columns = {n: unpack_texts(a) if n in texts else list(a) for n, a in vectors.items() if n != ACTION}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]  # noqa: B905


def _compare(package: Package, what: str, got: np.ndarray, want: np.ndarray, reason: str) -> None:
    if (got != want).any():
        at = tuple(int(k) for k in np.argwhere(got != want)[0])
        raise SelftestError(
            f"package {package.path.name}: {what} at {at} is {got[at]}, golden says {want[at]}; {reason}"
        )
