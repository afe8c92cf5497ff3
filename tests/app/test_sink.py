import os
import time

import pytest

from app.sink import MAX_WAITING_BYTES, WHOLE_BYTES, Sink

LINE = b"x" * 999 + b"\n"


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def end(sink: Sink, reading: int) -> None:
    """Read until the writer has written everything, so that it is gone before its pipe is."""
    sink.close(0)
    os.set_blocking(reading, False)
    while sink._thread is not None and sink._thread.is_alive():
        try:
            os.read(reading, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)


def test_lines_arrive_whole_and_in_order(pipe):
    sink = Sink(pipe[1])
    for number in range(40):
        sink.write(b"%d\n" % number)
    sink.close()

    assert os.read(pipe[0], 1 << 16) == b"".join(b"%d\n" % number for number in range(40))
    assert sink.lost == 0


def test_a_sink_that_blocks_is_not_waited_for_and_what_is_too_much_is_counted(pipe):
    sink = Sink(pipe[1])
    start = time.monotonic()

    for _ in range(4 * MAX_WAITING_BYTES // len(LINE)):
        sink.write(LINE)

    assert time.monotonic() - start < 5
    assert sink.lost > 0
    end(sink, pipe[0])


def test_a_close_does_not_wait_for_ever(pipe):
    sink = Sink(pipe[1])
    for _ in range(200):
        sink.write(LINE)

    sink.close(0.1)

    end(sink, pipe[0])


def test_a_full_disk_loses_lines_and_counts_them():
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        sink = Sink(full)
        sink.write(LINE)
        sink.write(LINE)
        sink.close()
        assert sink.lost == 2
    finally:
        os.close(full)


def test_lines_of_two_writers_do_not_mix_in_a_pipe(pipe):
    sinks = [Sink(pipe[1]), Sink(pipe[1])]
    for sink, letter in zip(sinks, (b"a", b"b"), strict=True):
        for _ in range(50):
            sink.write(letter * (WHOLE_BYTES // 5) + b"\n")
    read = b""
    while read.count(b"\n") < 100:
        read += os.read(pipe[0], 1 << 16)
    for sink in sinks:
        sink.close()

    assert {bytes(set(line)) for line in read.splitlines()} == {b"a", b"b"}
