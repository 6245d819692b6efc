"""One reader on one series, in a process of its own: one that crashes or hangs costs its answer only."""

from __future__ import annotations

import logging
import multiprocessing
import os
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from comparison.judging import REFUSED, RIGHT, Truth, Verdict, judge
from comparison.readers import Reader, shortened

TIME_LIMIT_S = 300  # the slowest takes seconds


def answer(reader: Reader, files: Sequence[Path], truth: Truth) -> Verdict:
    """What the reader makes of the series.  Whatever it raises, a crash and a timeout are refusals."""
    # forked: the child has the truth already, and the parent has no threads
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(reader, files, truth, there))
    child.start()
    there.close()
    try:
        verdict: Verdict = (
            here.recv()
            if here.poll(TIME_LIMIT_S)
            else Verdict(REFUSED, message=f"nothing after {TIME_LIMIT_S} s")
        )
    except EOFError:
        verdict = Verdict(REFUSED, message="the process crashed")
    child.kill()
    child.join()
    here.close()
    return verdict


def _work(reader: Reader, files: Sequence[Path], truth: Truth, connection: Connection) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    warnings.simplefilter("ignore")
    logging.disable()
    connection.send(read_and_judge(reader, files, truth))
    connection.close()


def read_and_judge(reader: Reader, files: Sequence[Path], truth: Truth) -> Verdict:
    """The verdict, with the reader's own words where it refused or was wrong."""
    try:
        reading = reader.read(files)
    except Exception as error:  # noqa: BLE001 - readers raise anything; it is their answer
        return Verdict(REFUSED, message=shortened(f"{type(error).__name__}: {error}"))
    verdict = judge(reading.volumes, truth)
    if verdict.outcome == RIGHT or not reading.warnings:
        return verdict
    return Verdict(verdict.outcome, verdict.ways, verdict.farthest_mm, shortened(reading.warnings[0]))
