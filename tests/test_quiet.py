"""What C code prints is dropped, and only meanwhile."""

import os

from hwgen.quiet import STDERR, STDOUT, quiet


def test_only_the_stream_named_is_dropped_and_only_meanwhile(capfd):
    with quiet(STDOUT):
        os.write(1, b"unseen\n")
        os.write(2, b"seen\n")
    with quiet(STDERR):
        os.write(2, b"unseen\n")
    os.write(1, b"seen again\n")
    assert capfd.readouterr() == ("seen again\n", "seen\n")
