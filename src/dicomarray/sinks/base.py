"""What a PACS is that takes instances.

How another kind is added: a subclass of `Target` in a module of its own here; its kind of address goes into
`target_of`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dicomarray.storage.connections import Connected, speaks_dicomweb
from dicomarray.storage.limits import UNLIMITED, TransferOptions
from dicomarray.storage.places import Url
from dicomarray.storage.references import Reference

NO_LABEL_MAP = (
    'the server does not take label map segmentations; write the segmentation with kind="binary" '
    "(--kind binary), and push that"
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance that is to be stored: who it is, and what opens its file of ``size`` bytes."""

    path: Reference
    study: str
    series: str
    sop_class: str
    uid: str
    transfer_syntax: str
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to an instance: why it refuses it, None where it took it; what else it said."""

    refused: str | None = None
    warning: str | None = None


# Is told what became of each instance.
Answered = Callable[[Outgoing, Answer], None]


class Target(Connected):
    """A PACS that takes instances; a context that closes its connections."""

    @abstractmethod
    def present(self, study: str, series: str) -> frozenset[str]:
        """The SOP Instance UIDs of all instances that it has of a series; raises StorageError."""

    @abstractmethod
    def store(self, instances: Sequence[Outgoing], answered: Answered) -> None:
        """Send instances; ``answered`` is called once for each.

        Raises StorageError where the server cannot be reached, after what retries are worth it; those without
        an answer then may have been stored or not.
        """


def target_of(address: Url, limits: TransferOptions = UNLIMITED) -> Target:
    """Who stores there.

    Raises UsageError for an address of another kind, for limits that it does not know, or where the package
    for it is not installed.
    """
    if speaks_dicomweb(address, limits):
        from dicomarray.sinks.dicomweb import DicomWebTarget

        return DicomWebTarget(address, limits=limits)
    from dicomarray.sinks.dimse import DimseTarget

    return DimseTarget(address)
