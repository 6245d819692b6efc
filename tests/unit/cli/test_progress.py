"""The progress line: what it says, and when it says nothing."""

from __future__ import annotations

import io
import sys

import pytest

from dicomarray.cli import progress
from dicomarray.cli.progress import Counter, bytes_text, duration_text


class Terminal(io.StringIO):
    """Standard error as a person sees it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be set."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_files_bytes_rate_and_time_left_are_shown(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """After a second, and the line is taken away at the end."""
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    with Counter("files scanned") as counter:
        counter(0, 0, 1000)
        clock[0] += 0.5
        counter(10, 1000, 1000)
        assert shown.getvalue() == ""
        clock[0] += 1.5
        counter(100, 5_000_000, 1000)
        assert "files scanned: 100/1000, 5.0 MB, 2.5 MB/s, 50/s, 0 min 18 s left" in shown.getvalue()
    assert shown.getvalue().endswith("\r\x1b[K")


def test_count_alone_tells_a_rate(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    """Where neither bytes nor the total are known."""
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    with Counter("files") as counter:
        counter(0)
        clock[0] += 2
        counter(100)
        assert shown.getvalue() == "\rfiles: 100, 50/s\x1b[K"


def test_nothing_is_shown_where_standard_error_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """A log must not fill with lines that overwrite each other."""
    monkeypatch.setattr(sys, "stderr", shown := io.StringIO())
    with Counter("files") as counter:
        counter(0, 0, 1000)
        clock[0] += 20
        counter(100, 5000, 1000)
    assert shown.getvalue() == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (2.5e12, "2.5 TB"),
        (1e19, "10000 PB"),
    ],
)
def test_bytes_are_shown_with_a_unit(size: float, text: str) -> None:
    """Powers of 1000, as disks are sold."""
    assert bytes_text(size) == text


def test_durations_are_shown_with_two_units() -> None:
    """Nobody needs the seconds of hours."""
    assert [duration_text(seconds) for seconds in (5, 65, 7300)] == ["0 min 05 s", "1 min 05 s", "2 h 01 min"]


def test_images_are_counted_anew_for_each_volume(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    """The time begins with the images of the volume, not with the scan or the volume before."""
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    with Counter("images read") as counter:
        clock[0] += 100
        counter(1, 524_288, 300)
        clock[0] += 2
        counter(100, 52_428_800, 300)
        assert shown.getvalue() == "\rimages read: 100/300, 52.4 MB, 26.2 MB/s, 50/s, 0 min 04 s left\x1b[K"
        counter(1, 0, 10)
        clock[0] += 2
        counter(10, 0, 10)
        assert "images read: 10/10, 5/s, 0 min 00 s left" in shown.getvalue()
    assert shown.getvalue().endswith("\r\x1b[K")
