"""pydicom's warnings stay inside, and nobody else's filters are touched."""

from __future__ import annotations

import logging
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.misc import warn_and_log

import dicomarray
import synthetic
from dicomarray.runtime.pydicom_warnings import pydicom_quiet


def warn_as_pydicom() -> None:
    """A warning that comes from a module of pydicom's."""
    exec("warn('DOE^JANE')", {"warn": warn_and_log, "__name__": "pydicom.values"})


def test_pydicom_says_nothing_inside(caplog: pytest.LogCaptureFixture) -> None:
    """Neither as a warning nor in its log; outside it does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pydicom_quiet:
            warn_as_pydicom()
        assert not caught and not caplog.records
        warn_as_pydicom()
        assert len(caught) == len(caplog.records) == 1


def test_others_are_heard() -> None:
    """A user's own warning, and one of another library, come through from inside."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pydicom_quiet:
            warnings.warn("mine", UserWarning, stacklevel=1)
    assert [str(one.message) for one in caught] == ["mine"]


def test_threads_leave_the_filters_as_they_were() -> None:
    """The filters are those of before, whichever thread leaves last.

    Before, `catch_warnings` left the filters of one behind for ever, after some 100 files of two threads.
    """
    before = list(warnings.filters)
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with pydicom_quiet:
            first_is_in.set()
            second_is_in.wait(5)
        first_is_out.set()

    def second() -> None:
        first_is_in.wait(5)
        with pydicom_quiet:
            second_is_in.set()
            first_is_out.wait(5)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with pydicom_quiet:
                    warn_as_pydicom()
            assert not caught

    with ThreadPoolExecutor(2) as pool:
        for task in [pool.submit(first), pool.submit(second)]:
            task.result(10)
    assert list(warnings.filters) == before
    assert not logging.getLogger("pydicom").filters


def test_writing_quotes_nothing(tmp_path: Path) -> None:
    """A template with a value that pydicom warns of, quoting it, each time that it is read or written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        common = {"SpecificCharacterSet": "DOE^JANE", "StudyInstanceUID": "DOE^JANE"}
        synthetic.write_series(tmp_path / "in", synthetic.stored_values((3, 8, 9)), common=common)
    with pytest.warns(UserWarning, match="DOE"):
        str(dcmread(tmp_path / "in" / "0001.dcm"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dicomarray.to_dicom(np.zeros((3, 8, 9), np.int16), tmp_path / "in", tmp_path / "out", verify=False)
    assert [str(one.message) for one in caught] == []


def test_reading_a_deflated_file_quotes_nothing(tmp_path: Path) -> None:
    """Its file meta information is looked at before all else; here the UID has a VR of shorter texts."""
    synthetic.write_series(tmp_path, synthetic.stored_values((3, 8, 9)), syntax="deflated")
    path = tmp_path / "0002.dcm"
    path.write_bytes(path.read_bytes().replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x10\x00SH"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for series in dicomarray.scan(tmp_path):
            series.volumes(missing="keep")
    assert [str(one.message) for one in caught] == []
