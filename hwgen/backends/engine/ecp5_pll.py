"""Divisors of the ECP5's PLL (EHXPLLL) for a clock, with its first output as the feedback.

    clock = oscillator / CLKI_DIV * CLKFB_DIV        VCO = clock * CLKOP_DIV

Limits: Lattice's data sheet of the ECP5 family (sysCLOCK PLL timing).
"""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.errors import InputError

VCO_MHZ = (400.0, 800.0)
OUTPUT_MHZ = (3.125, 400.0)
PFD_MHZ = (3.125, 400.0)  # at the phase detector: oscillator / CLKI_DIV
DIVISORS = range(1, 129)
TOLERANCE = 0.02  # of the clock asked for


@dataclass(frozen=True)
class Pll:
    """What the instance needs. `mhz` is the clock that it makes; `cphase` sets the output's phase to 0."""

    clki_div: int
    clkfb_div: int
    clkop_div: int
    mhz: float
    vco_mhz: float

    @property
    def cphase(self) -> int:
        """CLKOP_CPHASE of an output without phase shift: CLKOP_DIV - 1, in VCO periods."""
        return self.clkop_div - 1


def pll(mhz: float, oscillator_mhz: float = 25.0) -> Pll:
    """The divisors that come closest to `mhz` from below (a clock that was not timed is none), then the fastest phase
    detector, then the VCO nearest to the middle of its range.

    Raises InputError where nothing within 2 % can be made.
    """
    best: tuple[tuple[float, float, float], Pll] | None = None
    for clki in DIVISORS:
        pfd = oscillator_mhz / clki
        if not PFD_MHZ[0] <= pfd <= PFD_MHZ[1]:
            continue
        clkfb = min(int(mhz / pfd + 1e-9), DIVISORS[-1])
        clock = pfd * clkfb
        if clkfb not in DIVISORS or clock < mhz * (1 - TOLERANCE) or not OUTPUT_MHZ[0] <= clock <= OUTPUT_MHZ[1]:
            continue
        for clkop in DIVISORS:
            vco = clock * clkop
            if VCO_MHZ[0] <= vco <= VCO_MHZ[1]:
                cost = (round(mhz - clock, 6), clki, abs(vco - sum(VCO_MHZ) / 2))
                if best is None or cost < best[0]:
                    best = cost, Pll(clki, clkfb, clkop, clock, vco)
    if best is None:
        raise InputError(
            f"the ECP5's PLL makes no {mhz:g} MHz from {oscillator_mhz:g} MHz; set clock.assumed_mhz to one that it "
            f"does, such as a multiple of {oscillator_mhz / 5:g} between 10 and 400"
        )
    return best[1]
