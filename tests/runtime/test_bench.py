"""The overhead benchmark runs, and prints the driver's own time (`pytest -s` shows it; the bound is 100 us)."""

from hwgen.runtime.bench import bench, sample_package
from tests.support import cases


def test_overhead():
    for device, kinds in bench(sample_package(), cases(200, 5000)).items():
        assert set(kinds) == {"float32", "integers"}
        for kind, times in kinds.items():
            print(f"{device}, {kind}: median {times['median']:.1f} us, 99 % below {times['p99']:.1f} us")
            assert 0 < times["median"] <= times["p99"]
