"""The driver over a serial line to a model of the board: right answers, clear errors, no waiting for ever."""

import threading

import numpy as np
import pytest

from hwgen.runtime import Accelerator, EngineError, HashMismatch, NoEngineError, UsageError
from hwgen.runtime.serial import LineError, SerialPort, protocol
from tests.runtime import samples
from tests.runtime.serial.bridge import HOST, MEMORY, Board, encode


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def port(board):
    return SerialPort(board, clock=board)


@pytest.fixture
def package(tmp_path):
    return samples.package(tmp_path / "policy.hwpkg")


@pytest.fixture
def big(tmp_path, monkeypatch):
    """The same with an image that does not fit the chip."""
    image = samples.image(beats=3000)
    monkeypatch.setattr(samples, "image", lambda *_: image)
    return samples.package(tmp_path / "big.hwpkg")


def opened(package, port, board):
    return Accelerator(package, device=port, clock=board)


def check(accelerator, seed=3):
    data = samples.vectors(np.random.default_rng(seed), 1)
    got = accelerator.infer({"x": data["x"][0], "k": data["k"][0]}, raw=True)
    assert (got["y"] == data["y"][0]).all() and (got["z"] == data["z"][0]).all()


def test_infer(package, port, board):
    with opened(package, port, board) as accelerator:
        assert accelerator.selftest()["vectors"] == 3
        before = board.written
        check(accelerator)
        assert board.written - before < 250, "a frame sends what changed, not whole pages"


def test_image_stays_on_the_host(big, port, board):
    with opened(big, port, board) as accelerator:
        check(accelerator)
        assert board.engine.image == accelerator.package.image
        assert port.line_stats()["fetches"] == -(-len(accelerator.package.image) // 1024)
        assert accelerator.port.read(samples.abi.register("LOAD_PTR_LO").offset) >= HOST


def test_names_and_numbers(port, board):
    assert port.name == "model board" and port.timeout > 5 and port.identity.memory == 28672
    assert port.line_stats()["board_given_up"] == 5


def test_another_design(package, port, board):
    board.engine.fixed["HASH_LO"] ^= 1
    with pytest.raises(HashMismatch, match="model board"):
        opened(package, port, board)


def test_buffers(port, board):
    small, large = port.allocate(64), port.allocate(20_000)
    assert small.physical_address == MEMORY and large.physical_address >= HOST and small.physical_address % 64 == 0
    small[:] = np.arange(64)
    small.flush()
    port.read(0)
    assert (board.engine.ddr[:64] == np.arange(64)).all()
    board.engine.ddr[5] = 200
    small.invalidate()
    assert small[5] == 200 and small[6] == 6
    before = board.written
    small.flush()
    assert board.written == before, "nothing changed"
    small[40] = 1
    small.flush()
    assert board.written - before < 45
    for _ in range(2):
        small.freebuffer()
    assert port.allocate(64).physical_address == MEMORY
    large[:] = 1
    large.invalidate()
    assert not large.any(), "what was not flushed is not there"


def test_no_room(port):
    for _ in range(4):
        port.allocate(7168)
    with pytest.raises(MemoryError, match="memory on the board's chip has no 64 bytes"):
        port.allocate(1)


def test_changed_pieces_only(port, board):
    buffer = port.allocate(4096)
    buffer[:] = np.random.default_rng(1).integers(0, 256, 4096)
    buffer.flush()
    rng = np.random.default_rng(2)
    for _ in range(50):
        at = rng.integers(0, 4096, rng.integers(0, 40))
        buffer[at] = rng.integers(0, 256, len(at))
        buffer.flush()
        port.read(0)
        assert (board.engine.ddr[:4096] == buffer).all()


def test_silent_board(board):
    board.silent = True
    with pytest.raises(NoEngineError, match="silent at 3000000 baud.*bitstream"):
        SerialPort(board, clock=board)
    assert board.now() < 3


def test_noise_only(board):
    board.silent = True
    for i in range(50):
        board.later(i * 0.01, board._arrive, b"\x00\xff~junk}~")
    with pytest.raises(NoEngineError, match="bytes came at 115200 baud, but no frame"):
        SerialPort(board, baud=115200, clock=board)


def test_another_version(board):
    board.identity[1] = 9
    with pytest.raises(NoEngineError, match="speaks version 9 .* this hwgen 1"):
        SerialPort(board, clock=board)


def test_something_else(board):
    board.identity[0] = 9
    with pytest.raises(NoEngineError, match="no hwgen serial bridge"):
        SerialPort(board, clock=board)


def test_what_an_earlier_session_left(board, package):
    """Half a frame on its way in, answers on their way out, a load under way."""
    first = SerialPort(board, clock=board)
    first.write(0x20, 2)
    board.write(encode(3, 77, 1, 0x1000_0020, b"1234")[:9])
    board.later(0.001, board._arrive, encode(0x82, 5, 1, 0x1000_0024, b"1234")[4:])
    with opened(package, SerialPort(board, clock=board), board) as accelerator:
        check(accelerator)


def test_board_dies(package, port, board):
    accelerator = opened(package, port, board)
    board.silent = True
    begin = board.now()
    with pytest.raises(LineError, match="no longer answers.*reset") as caught:
        check(accelerator)
    assert not caught.value.recovered and board.now() - begin < 10
    with pytest.raises(LineError):
        check(accelerator)
    board.silent = False
    accelerator.reset(download=True)
    check(accelerator)


def test_board_is_reset(package, port, board):
    """Nothing is run on a board that lost its program; a new session brings everything back."""
    accelerator = opened(package, port, board)
    board.reset()
    board.engine.ddr[:] = 0x55
    with pytest.raises(LineError, match="was reset"):
        check(accelerator)
    accelerator.reset(download=True)
    check(accelerator)
    accelerator.close()


def test_unplugged(package, port, board):
    accelerator = opened(package, port, board)
    board.pulled = True
    with pytest.raises(LineError, match="device is gone"):
        check(accelerator)
    board.pulled = False
    accelerator.reset(download=True)
    check(accelerator)


def test_host_does_not_poll_while_the_board_asks(big, port, board):
    """The engine's reads fail in time, and the driver's next command works."""
    accelerator = opened(big, port, board)
    port.write(samples.abi.register("CONTROL").offset, 2)
    port._link.settle()
    board.sleep(3)
    assert board.engine.code == 1, "AXI_READ"
    accelerator.reset()
    check(accelerator)


def test_engine_reads_where_nothing_is(big, port, board, monkeypatch):
    accelerator = opened(big, port, board)
    monkeypatch.setattr(port, "_buffers", {})
    with pytest.raises(EngineError, match="AXI_READ"):
        accelerator.reset()
    monkeypatch.undo()
    accelerator.reset()
    check(accelerator)


def test_refused(port):
    port._link.write(0x9000_0000, b"1234")
    with pytest.raises(LineError, match="refused writing 1 words at 0x90000000"):
        port.read(0)


@pytest.mark.parametrize("after", range(1, 12))
def test_interrupted(package, port, board, after):
    """Ctrl-C in the middle of a call leaves the line in order, also when an answer is lost besides."""
    accelerator = opened(package, port, board)
    calls, read = iter(range(100)), board.read

    def interrupted(seconds):
        if next(calls) == after:
            raise KeyboardInterrupt
        return read(seconds)

    board.read = interrupted
    with pytest.raises(KeyboardInterrupt):
        for seed in range(9):
            check(accelerator, seed)
    board.read = read
    board.sleep(0.001)
    board.inbox = b""
    check(accelerator, 50)
    check(accelerator, 51)


def test_interrupted_flush(port, board):
    """What was sent in part and then changed back is sent again."""
    buffer, write = port.allocate(4096), board.write
    buffer[:] = 1
    buffer.flush()
    port.read(0)

    def interrupted(data):
        write(data)
        raise KeyboardInterrupt

    board.write, buffer[:] = interrupted, 2
    with pytest.raises(KeyboardInterrupt):
        buffer.flush()
    board.write, buffer[:] = write, 1
    buffer.flush()
    port.read(0)
    assert (board.engine.ddr[:4096] == 1).all()


def test_two_threads(port, board):
    """A hot swap writes buffers while another thread polls."""
    wrong = []

    def work(seed):
        buffer, rng = port.allocate(2048), np.random.default_rng(seed)
        for _ in range(60):
            buffer[:] = data = rng.integers(0, 256, 2048, np.uint8)
            buffer.flush()
            buffer[:] = 0
            buffer.invalidate()
            if not (buffer == data).all() or port.read(0) != samples.abi.MAGIC:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not wrong


def test_closed_port(port, board):
    with port:
        pass
    assert port._transport is None


def test_protocol_is_bounded():
    """A line that never ends a frame takes no memory."""
    splitter = protocol.Splitter()
    for _ in range(1000):
        assert not splitter.feed(b"x" * 1000)
    assert splitter.noise > 900_000 and splitter.feed(b"~~") and not splitter.feed(b"~}~")


def test_usage(board, package):
    with pytest.raises(UsageError, match="alone"):
        Accelerator(package, device=SerialPort(board, clock=board), bitstream="x.bit")
