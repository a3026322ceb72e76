"""Health in numbers and in a line; temperatures from a made-up /sys."""

import pytest

from hwgen.runtime import EngineError, UsageError
from hwgen.runtime.control import ControlLoop, ExecuteChunk, health_line, read_health
from hwgen.runtime.control.temperature import read_temperatures
from tests.runtime.test_driver import frame


def sysfs(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


AMS = "bus/iio/devices/iio:device0/"
ZCU104 = {
    AMS + "name": "ams\n",
    AMS + "in_temp0_ps_temp_raw": "41980\n", AMS + "in_temp0_ps_temp_offset": "-36058\n",
    AMS + "in_temp0_ps_temp_scale": "7.771514892\n",
    AMS + "in_temp2_pl_temp_raw": "41730\n", AMS + "in_temp2_pl_temp_offset": "-36058\n",
    AMS + "in_temp2_pl_temp_scale": "7.771514892\n",
    AMS + "in_voltage0_raw": "5",
}  # fmt: skip


def test_the_zynq_ultrascales_sensors(tmp_path):
    assert read_temperatures(sysfs(tmp_path, ZCU104)) == {"ams ps": 46.0, "ams pl": 44.1}


def test_the_zynq_7000s_sensor_and_hwmon(tmp_path):
    xadc, hwmon = "bus/iio/devices/iio:device0/", "class/hwmon/hwmon1/"
    files = {
        xadc + "name": "xadc", xadc + "in_temp0_raw": "2614", xadc + "in_temp0_offset": "-2219",
        xadc + "in_temp0_scale": "123.040771484", hwmon + "name": "fan", hwmon + "temp1_input": "51500",
    }  # fmt: skip
    assert read_temperatures(sysfs(tmp_path, files)) == {"xadc 0": 48.6, "fan 1": 51.5}


@pytest.mark.parametrize("text", ["", "hot", "nan", "1e999", b"\xff\xfe", "9" * 1000, "-400000"])
def test_what_is_no_temperature_is_left_out(tmp_path, text):
    sysfs(tmp_path, {"class/hwmon/hwmon0/temp1_input": text, "class/hwmon/hwmon0/name": b"\x00\x01"})
    assert read_temperatures(tmp_path) == {}
    assert read_temperatures(tmp_path / "nothing") == {}


def test_many_sensors_are_bounded(tmp_path):
    sysfs(tmp_path, {f"class/hwmon/hwmon{i}/temp1_input": "40000" for i in range(300)})
    assert len(read_temperatures(tmp_path)) == 64


def test_numbers_and_line(accelerator, model, rng, tmp_path):
    model.fail = "AXI_READ"
    with pytest.raises(EngineError):
        accelerator.infer(frame(rng), raw=True)
    accelerator.infer(frame(rng), raw=True)
    loop = ControlLoop(lambda o: o, dict, lambda a: None, rate_hz=5, chunks=ExecuteChunk(1))
    health = read_health(accelerator, loop, sysfs(tmp_path, ZCU104))
    assert health["cycles"] == {"last": 77, "predicted": 77, "compute": 0}
    assert set(health["stalls"]) == {"input", "results", "rows", "tail"}
    counts = ("infers", "errors", "loads", "resets", "bus_errors", "timeouts", "swaps")
    assert [health[c] for c in counts] == [2, 1, 2, 1, 1, 0, 0]
    assert health["deadlines"] == {"ticks": 0, "misses": 0} and health["temperature"]["ams ps"] == 46.0
    line = health_line(health)
    assert line.startswith("77 cycles (77 predicted), stalls input 0") and line.endswith(
        "deadline misses 0 of 0, 46.0 C (ams ps)"
    )
    assert "\n" not in line and "bus errors 1" in line
    assert "no temperature" in health_line(read_health(accelerator, root=tmp_path / "none"))
    assert accelerator.health()["infers"] == 2


def test_closed(accelerator):
    accelerator.close()
    with pytest.raises(UsageError, match="closed"):
        accelerator.health()
