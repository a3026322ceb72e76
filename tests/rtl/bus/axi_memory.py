"""AXI4 memory for `clocked.Bench`: the standard DDR model, stalls, errors, and a protocol checker on every channel."""

from tests.rtl.clocked import Agent, Stall

BEAT = 16


class Memory:
    """Bytes at a 64-bit base address, with a margin that must never be touched."""

    def __init__(self, base: int = 0x5_0000_0000, size: int = 1 << 20):
        self.base, self.data = base, bytearray(size)

    def at(self, address: int) -> int:
        """Index of an address. Fails outside the memory."""
        index = address - self.base
        assert 0 <= index and index + BEAT <= len(self.data), f"address {address:#x} is outside the memory"
        return index

    def read(self, address: int, size: int) -> bytes:
        at = self.at(address)
        return bytes(self.data[at : at + size])

    def write(self, address: int, data: bytes) -> None:
        at = self.at(address)
        self.data[at : at + len(data)] = data


class Stable:
    """AXI's first rule: once valid, a channel keeps valid and payload until ready."""

    def __init__(self, name: str, valid, ready, payload):
        self.name, self.valid, self.ready, self.payload, self.held = name, valid, ready, payload, None

    def check(self) -> bool:
        """True when there was a handshake in this clock."""
        valid, ready = int(self.valid.value), int(self.ready.value)
        now = tuple(int(p.value) for p in self.payload) if valid else None
        if self.held is not None:
            assert now == self.held, f"{self.name} changed before it was accepted: {self.held} -> {now}"
        self.held = now if valid and not ready else None
        return bool(valid and ready)


def check_burst(address: int, length: int, size: int, burst: int) -> None:
    """The rules for our bursts: INCR, 16 bytes, at most 64 beats, no 4 KiB crossing, aligned."""
    assert size == 4 and burst == 1 and length < 64 and address % BEAT == 0
    assert address // 4096 == (address + (length + 1) * BEAT - 1) // 4096, (
        f"burst at {address:#x}+{length + 1} crosses 4 KiB"
    )


class ReadPort(Agent):
    """Answers reads ``latency`` clocks after the address, then a beat a clock; latencies overlap.

    ``ar``/``r`` say when to stall. ``errors``: set of beat addresses answered with SLVERR. `frozen` stops all answers.
    """

    def __init__(self, dut, memory: Memory, ar: Stall, r: Stall, latency: int = 40, errors=()):
        self.dut, self.memory, self.ar, self.r, self.latency = dut, memory, ar, r, latency
        self.errors, self.frozen = set(errors), False
        self.beats, self.requests, self.taken, self.on = [], [], [], False  # beats: (due, address, last)
        self.ar_channel = Stable(
            "AR", dut.m_axi_arvalid_o, dut.m_axi_arready_i, (dut.m_axi_araddr_o, dut.m_axi_arlen_o)
        )
        self.most_open, self.open = 0, 0

    def drive(self) -> None:
        d = self.dut
        d.m_axi_arready_i.value = int(not self.ar())
        due = self.beats and self.beats[0][0] <= self.bench.clock and not self.frozen
        self.on = self.on or bool(due and not self.r())
        d.m_axi_rvalid_i.value = int(self.on)
        if self.on:
            _, address, last = self.beats[0]
            d.m_axi_rdata_i.value = int.from_bytes(self.memory.read(address, BEAT), "little")
            d.m_axi_rlast_i.value = int(last)
            d.m_axi_rresp_i.value = 2 if address in self.errors else 0

    def see(self) -> None:
        d, clock = self.dut, self.bench.clock
        if self.ar_channel.check():
            address, length = int(d.m_axi_araddr_o.value), int(d.m_axi_arlen_o.value)
            check_burst(address, length, int(d.m_axi_arsize_o.value), int(d.m_axi_arburst_o.value))
            self.requests.append((clock, address, length + 1))
            self.open += 1
            self.most_open = max(self.open, self.most_open)
            for i in range(length + 1):
                self.beats.append((clock + self.latency, address + i * BEAT, i == length))
        if self.on and int(d.m_axi_rready_o.value):
            self.on = False
            _, address, last = self.beats.pop(0)
            self.taken.append((clock, address))
            self.open -= int(last)


class WritePort(Agent):
    """Takes a beat a clock and answers ``latency`` clocks after the last one.

    `written` lists (clock, address, strobe) of the beats, `answers` the clocks of B. ``errors``: addresses of bursts
    that are answered with SLVERR.
    """

    def __init__(self, dut, memory: Memory, aw: Stall, w: Stall, b: Stall, latency: int = 4, errors=()):
        self.dut, self.memory, self.aw, self.w, self.b, self.latency = dut, memory, aw, w, b, latency
        self.errors, self.frozen = set(errors), False
        self.bursts, self.written, self.requests, self.answers = [], [], [], []
        self.due, self.on, self.beat = [], False, 0
        payload = (dut.m_axi_wdata_o, dut.m_axi_wstrb_o, dut.m_axi_wlast_o)
        self.aw_channel = Stable(
            "AW", dut.m_axi_awvalid_o, dut.m_axi_awready_i, (dut.m_axi_awaddr_o, dut.m_axi_awlen_o)
        )
        self.w_channel = Stable("W", dut.m_axi_wvalid_o, dut.m_axi_wready_i, payload)
        self.open = self.most_open = 0

    def drive(self) -> None:
        d = self.dut
        d.m_axi_awready_i.value = int(not self.aw())
        d.m_axi_wready_i.value = int(not self.w() and not self.frozen)
        due = self.due and self.due[0][0] <= self.bench.clock and not self.frozen
        self.on = self.on or bool(due and not self.b())
        d.m_axi_bvalid_i.value = int(self.on)
        if self.on:
            d.m_axi_bresp_i.value = 2 if self.due[0][1] in self.errors else 0

    def see(self) -> None:
        d, clock = self.dut, self.bench.clock
        if int(d.m_axi_wvalid_o.value):
            assert self.bursts, "W before its AW was accepted"
        if self.w_channel.check():
            address, length = self.bursts[0]
            here, strobe = address + self.beat * BEAT, int(d.m_axi_wstrb_o.value)
            data = int(d.m_axi_wdata_o.value).to_bytes(BEAT, "little")
            old = self.memory.read(here, BEAT)
            self.memory.write(
                here, bytes(n if strobe >> i & 1 else o for i, (n, o) in enumerate(zip(data, old, strict=True)))
            )
            self.written.append((clock, here, strobe))
            assert int(d.m_axi_wlast_o.value) == int(self.beat == length - 1), "wlast is not on the burst's last beat"
            self.beat += 1
            if self.beat == length:
                self.beat = 0
                self.bursts.pop(0)
                self.due.append((clock + self.latency, address))
        if self.aw_channel.check():
            address, length = int(d.m_axi_awaddr_o.value), int(d.m_axi_awlen_o.value)
            check_burst(address, length, int(d.m_axi_awsize_o.value), int(d.m_axi_awburst_o.value))
            self.requests.append((clock, address, length + 1))
            self.bursts.append((address, length + 1))
            self.open += 1
            self.most_open = max(self.open, self.most_open)
        if self.on:
            assert int(d.m_axi_bready_o.value), "bready must always be 1"
            self.on = False
            self.due.pop(0)
            self.answers.append(clock)
            self.open -= 1
