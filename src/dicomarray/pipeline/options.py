"""How a run is done: the options of `run` beside those of reading and writing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dicomarray.assembly.options import ReadKeywords
from dicomarray.core.options import check_choices, size_of
from dicomarray.core.segments import MAX_LABEL
from dicomarray.errors import UsageError
from dicomarray.objects.common.options import WriteKeywords
from dicomarray.storage.places import PathLike

Per = Literal["series", "study"]
Masks = Literal["seg", "rtstruct"]
LOOPBACK = "127.0.0.1"
# A worker that has only loaded NumPy and pydicom takes about 100 MB; less would fail every series.
MIN_MEMORY = 256 << 20


class RunKeywords(ReadKeywords, WriteKeywords, total=False):
    """The keyword arguments of `run`: see `RunOptions`, `ReadOptions` and `WriteOptions`."""

    workers: int
    scheduler: str | None
    resume: bool
    check: bool
    timeout: float | None
    memory_limit: int | str | None
    per: Per
    volume: int | None
    parameters: Mapping[str, Any] | PathLike | None
    observe: Callable[..., Any] | str | None
    segmentation: Masks
    algorithm: str | None
    algorithm_version: str | None
    series: str | None
    index: PathLike | None
    report: bool


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Who does the work, within which limits, and what one piece of it is.

    Attributes
    ----------
    workers
        Processes that work side by side.  With 1 a function that is given by name runs in a process of its
        own, so that its crash costs a series and not the run; a function object runs in this process, unless
        a limit is set.
    scheduler
        The address of a Dask scheduler, such as ``"tcp://10.0.0.1:8786"``: its workers do the work.
    resume
        Go on with an earlier run in the same output folder: what is done and unchanged is left alone.
    check
        With ``resume``: all earlier results are read, and made again where their SHA-256 differs; without it
        only those whose names, sizes or times differ are read.
    timeout
        Seconds that one series (or study) may take; its process is ended then.
    memory_limit
        Bytes, or a text such as ``"4G"`` (binary units): resident memory of one worker process.
    per
        ``"series"``: the function takes a `Volume`; ``"study"``: all volumes of a study by their UIDs.
    volume
        Which volume of a series, by index, where it holds several; without it each of them.
    parameters
        Keyword arguments for the function, what JSON can say; or the path of a JSON, YAML or TOML file.
    observe
        ``observe(volume, result) -> mapping`` or ``"module:function"``, called for each result where it
        was made; what it returns (small, plain JSON) stands in the entry and in the ledger.
    segmentation
        What a `Segmentation` that the function returns is written as: ``"seg"``, a DICOM Segmentation;
        ``"rtstruct"``, an RT Structure Set.
    algorithm, algorithm_version
        Name and version of what makes the segments, for those that do not say it themselves; the name is
        that of the function where it is not given.
    series
        The UID of the one series to take.
    index
        An index file: the series come from it, without a scan.
    report
        Write ``report.html`` into the output folder: a row a series, with thumbnails.
    """

    workers: int = 1
    scheduler: str | None = None
    resume: bool = False
    check: bool = False
    timeout: float | None = None
    memory_limit: int | str | None = None
    per: Per = "series"
    volume: int | None = None
    parameters: Mapping[str, Any] | PathLike | None = None
    observe: Callable[..., Any] | str | None = None
    segmentation: Masks = "seg"
    algorithm: str | None = None
    algorithm_version: str | None = None
    series: str | None = None
    index: PathLike | None = None
    report: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no option, before anything is read."""
        check_choices(self)
        for name in ("algorithm", "algorithm_version"):
            text: Any = getattr(self, name)
            if text is not None and (not isinstance(text, str) or not 0 < len(text) <= MAX_LABEL):
                raise UsageError(f"{name}={text!r:.80}: a text of 1 to {MAX_LABEL} characters is needed")
        if self.check and not self.resume:
            raise UsageError("check says how resume looks at earlier results: give resume (--resume), too")
        if self.workers < 1:
            raise UsageError(f"workers must be 1 or more, not {self.workers}")
        if self.timeout is not None and not (math.isfinite(self.timeout) and self.timeout > 0):
            raise UsageError(f"timeout must be a number of seconds above 0, not {self.timeout}")
        if self.memory_bytes is not None and self.memory_bytes < MIN_MEMORY:
            raise UsageError(
                f"memory_limit={self.memory_limit} is less than a worker needs to start; the least is "
                f"{MIN_MEMORY >> 20}M"
            )

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes."""
        return size_of("memory_limit", self.memory_limit)

    @property
    def isolated(self) -> bool:
        """Whether the work has to be done in processes that can be ended."""
        return self.workers > 1 or self.timeout is not None or self.memory_limit is not None


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """When a series is taken, who may send, and how the work is done.

    Attributes
    ----------
    quiet
        Seconds without a new instance after which a series is taken, when its sender is done with it.
    cut_short
        A series whose sender broke off: ``"wait"`` until it is sent again, or ``"run"`` when it is quiet.
    bind
        The address of this computer that is listened on; ``"0.0.0.0"`` is every one.
    allow
        Who may send: AE titles, or AE@ADDRESS, with commas between them; without it everybody who knows ours.
    max_associations
        How many may be open at once.
    max_instance
        MB of one instance; a longer one is cut off.
    max_waiting
        GB of what is received and not done; beyond it, senders have to come again later.
    silence
        Seconds after which a sender that says nothing is cut off.
    tls_cert, tls_key
        Files of our certificate and its key (PEM): senders have to speak TLS then.
    tls_ca
        A file of certificates, by one of which a sender has to prove who it is; without it none is asked for.
    retries
        How often a series that failed is tried again: after ``quiet`` seconds, then after twice as long.
    workers
        Processes that work side by side.
    timeout
        Seconds that one series may take; its process is ended then.
    segmentation
        A `Segmentation` that the function returns becomes a DICOM Segmentation (``"seg"``), or an RT
        Structure Set (``"rtstruct"``).
    """

    quiet: float = 10.0
    cut_short: Literal["wait", "run"] = "wait"
    bind: str = LOOPBACK
    allow: str = ""
    max_associations: int = 10
    max_instance: int = 4096
    max_waiting: int = 100
    silence: float = 60.0
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ca: str | None = None
    retries: int = 3
    workers: int = 1
    timeout: float | None = None
    segmentation: Masks = "seg"

    def __post_init__(self) -> None:
        """Refuse what is no option, before a port is opened."""
        check_choices(self)
        for name in ("quiet", "max_associations", "max_instance", "max_waiting", "silence", "workers"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be a number above 0, not {getattr(self, name)}")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout must be a number of seconds above 0, not {self.timeout}")
