"""Temperatures of the board, as Linux tells them on a Zynq: the XADC (Zynq-7000) or AMS (UltraScale+) under
/sys/bus/iio, and whatever hwmon knows. What is absent or unreadable is left out; nothing raises.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

_MAX_SENSORS, _MAX_BYTES = 64, 64
_IIO, _HWMON = "bus/iio/devices/iio:device*/in_temp*_raw", "class/hwmon/hwmon*/temp*_input"
_PLAUSIBLE = (-100.0, 300.0)  # degrees Celsius


def read_temperatures(root: str | Path = "/sys") -> dict[str, float]:
    """{sensor: degrees Celsius}, such as {"ams ps": 48.2, "ams pl": 47.5}. root: where sysfs is."""
    out: dict[str, float] = {}
    try:
        files = [*islice(Path(root).glob(_IIO), _MAX_SENSORS), *islice(Path(root).glob(_HWMON), _MAX_SENSORS)]
    except OSError:
        return out
    for file in sorted(files)[:_MAX_SENSORS]:
        value = _iio(file) if file.name.endswith("_raw") else _scaled(_number(file), 0.0, 1.0)
        if value is not None and _PLAUSIBLE[0] <= value <= _PLAUSIBLE[1]:
            out[_name(file)] = round(value, 1)
    return out


def _iio(raw: Path) -> float | None:
    """(raw + offset) * scale, in thousandths of a degree (the kernel's Documentation/ABI/testing/sysfs-bus-iio)."""
    stem = raw.name[: -len("_raw")]
    scale, offset = _number(raw.with_name(stem + "_scale")), _number(raw.with_name(stem + "_offset"))
    return None if scale is None else _scaled(_number(raw), offset or 0.0, scale)


def _scaled(raw: float | None, offset: float, scale: float) -> float | None:
    return None if raw is None else (raw + offset) * scale / 1000


def _name(file: Path) -> str:
    """The device's name and the channel: "ams ps" of in_temp0_ps_temp_raw, "xadc 0" of in_temp0_raw."""
    channel = file.name.rsplit("_", 1)[0].removeprefix("in_").removesuffix("_temp")
    known = channel.split("_", 1)[1] if "_" in channel else channel.removeprefix("temp")
    return f"{_text(file.with_name('name')) or file.parent.name} {known}"


def _number(file: Path) -> float | None:
    try:
        return float(_text(file))
    except ValueError:
        return None


def _text(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            text = stream.read(_MAX_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return text if text.isprintable() else ""
