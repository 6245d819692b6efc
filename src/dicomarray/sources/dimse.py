"""A PACS of DIMSE: what it has (C-FIND), and its instances (C-GET, or C-MOVE to a storage of our own).

What comes is written as it came, encoded as the peer sent it: nothing is decoded but what tells who it is.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from dicomarray.dicom.segment_objects import LABEL_MAP
from dicomarray.dicom.transfer_syntaxes import (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from dicomarray.dicom.uids import is_safe_uid
from dicomarray.errors import OutputError
from dicomarray.sources.base import Arrived, RemoteSeries, Server
from dicomarray.sources.dimse_instances import SYNTAXES, Incoming, storage_classes
from dicomarray.storage.dimse import (
    FIND,
    GET,
    MAX_CONTEXTS,
    MAX_PDU_BYTES,
    MOVE,
    PENDING,
    BrokenError,
    Peer,
    Proposal,
    RefusedError,
    meaning,
    proposals_for,
)
from dicomarray.storage.dimse_transport import Activity, prompt
from dicomarray.storage.places import Url

NATIVE = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
QUERY = Proposal(FIND, NATIVE)
# How often what did not come is asked for again.
ROUNDS = 4
# So many instances are named in one request: some 6 kB.
UIDS_AT_ONCE = 100
# What is asked for at each level beside the level itself: with a value where the config gives one.
STUDY_KEYS = ("StudyInstanceUID", "StudyDate", "PatientID", "AccessionNumber", "ModalitiesInStudy")
SERIES_KEYS = (
    "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "NumberOfSeriesRelatedInstances"
)  # fmt: skip
INSTANCE_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# What instances are asked for where a config asks it: numbers, which every server gives as they are.
FURTHER_INSTANCE_KEYS = ("InstanceNumber", "Rows", "Columns", "NumberOfFrames")
# What is believed of an answer: a single value that has one form.
_KNOWN_OF_STUDY = ("StudyDate", "PatientID", "AccessionNumber")
_KNOWN_OF_SERIES = ("Modality", "SeriesNumber")
_SINGLE, _DATE = re.compile(r"[^*?\\\[\]]+"), re.compile(r"[0-9]{8}", re.ASCII)


class DimseServer(Server):
    """The server at an address."""

    def __init__(self, address: Url, peer: Peer | None = None) -> None:
        self.peer = peer or Peer(address)
        self._classes: dict[tuple[str, str], dict[str, str]] = {}  # of instances by UID, by study and series
        self._port = threading.Lock()  # the storage of our own is there for one series at a time

    def close(self) -> None:
        """As `Server.close`; every association is released when it is done."""

    def find(self, keys: Mapping[str, str]) -> list[RemoteSeries]:
        """As `Server.find`: studies first, then the series of each, as PS3.4 C.4.1.3.1.1 has it."""
        known = {**keys, "ModalitiesInStudy": keys.get("Modality", "")}
        of_study = {name: known.get(name, "") for name in STUDY_KEYS}
        of_series = {name: known.get(name, "") for name in SERIES_KEYS}
        found: dict[tuple[str, str], RemoteSeries] = {}
        with self.peer.associated([QUERY]) as association:
            studies = {
                self._uid(item, "StudyInstanceUID"): item
                for item in self.peer.found(association, "STUDY", of_study)
            }
            for study in sorted(studies):
                of_all = _attributes_of(studies[study], _KNOWN_OF_STUDY)
                for item in self.peer.found(association, "SERIES", {**of_series, "StudyInstanceUID": study}):
                    uid = self._uid(item, "SeriesInstanceUID")
                    said = {**of_all, **_attributes_of(item, _KNOWN_OF_SERIES)}
                    said |= {"StudyInstanceUID": study, "SeriesInstanceUID": uid}
                    found[study, uid] = RemoteSeries(study, uid, _count(item), said)
        return [found[key] for key in sorted(found)]

    def instances(self, series: RemoteSeries) -> frozenset[str]:
        """As `Server.instances`."""
        items = self._instances(series, INSTANCE_KEYS)
        classes = {self._uid(item, "SOPInstanceUID"): _text(item, "SOPClassUID") for item in items}
        self._classes[series.study, series.uid] = classes
        return frozenset(classes)

    def listed(self, series: RemoteSeries, names: frozenset[str]) -> list[Mapping[str, str]]:
        """As `Server.listed`."""
        further = [name for name in FURTHER_INSTANCE_KEYS if name in names]
        if not further and not names & {"SOPInstanceUID", "SOPClassUID", "num_instances"}:
            return []
        keys = (*INSTANCE_KEYS, *further)
        items = (_attributes_of(item, keys) for item in self._instances(series, keys))
        return [*{item["SOPInstanceUID"]: item for item in items}.values()]

    def _instances(self, series: RemoteSeries, names: Sequence[str]) -> list[Any]:
        """The answers to a query for all instances of a series."""
        known = {"StudyInstanceUID": series.study, "SeriesInstanceUID": series.uid}
        keys = {name: known.get(name, "") for name in names}
        with self.peer.associated([QUERY]) as association:
            return self.peer.found(association, "IMAGE", keys)

    def fetch(self, series: RemoteSeries, wanted: Collection[str], folder: Path, arrived: Arrived) -> None:
        """As `Server.fetch`."""
        incoming = Incoming(series, wanted, folder)
        said = ""
        for remaining in reversed(range(ROUNDS)):
            try:
                said = self._fetch_once(series, incoming, arrived, one_by_one=remaining == 0) or said
            except BrokenError:
                if not remaining:
                    raise
            finally:
                incoming.tell(arrived)
            if not incoming.missing:
                return
        hint = self._label_map_hint(series, incoming.missing)
        raise self.peer.error(
            f"series {series.uid}: {len(incoming.missing)} of {len(wanted)} instances did not come, such as "
            f"{min(incoming.missing)}{said and f'; the server says: {said}'}{incoming.refused()}{hint}"
        )

    def _label_map_hint(self, series: RemoteSeries, missing: Collection[str]) -> str:
        """What to do about label maps, which some servers list and do not send."""
        classes = self._classes.get((series.study, series.uid), {})
        if LABEL_MAP not in {classes.get(uid) for uid in missing}:
            return ""
        return (
            "; there are label map segmentations among them, which the server may not be able to send: write "
            'such a segmentation with kind="binary" (--kind binary), and push that'
        )

    def _fetch_once(
        self, series: RemoteSeries, incoming: Incoming, arrived: Arrived, one_by_one: bool
    ) -> str:
        """Ask for what is missing; what the server said where it did not send all."""
        classes = self._classes.get((series.study, series.uid), {})
        said = ""
        if self.peer.address.retrieve == "move":
            activity, asked = Activity(), [Proposal(MOVE, NATIVE)]
            with (
                self._port,
                self._storage(incoming, activity),
                self.peer.associated(asked, activity=activity) as association,
            ):
                for item in self._requests(series, incoming, one_by_one):
                    answers = association.send_c_move(item, self.peer.address.move_aet, MOVE)
                    said = self._followed(answers, incoming, arrived) or said
            return said
        refusals: list[RefusedError | None] = []
        for proposals in _get_proposals({classes.get(uid, "") for uid in incoming.missing}):
            if not incoming.missing:
                break
            with self.peer.associated(proposals, incoming.take) as association:
                refusals.append(self._unusable(association))
                if refusals[-1] is None:
                    for item in self._requests(series, incoming, one_by_one):
                        said = self._followed(association.send_c_get(item, GET), incoming, arrived) or said
        if None not in refusals and incoming.missing:
            raise RefusedError(f"{refusals[0]}{self._label_map_hint(series, incoming.missing)}")
        return said

    def _unusable(self, association: Any) -> RefusedError | None:
        """Why C-GET cannot use an association that the server has accepted; None where it can."""
        classes = {str(one.abstract_syntax) for one in association.accepted_contexts}
        if GET in classes and len(classes) > 1:
            return None
        what = "does not answer C-GET" if GET not in classes else "sends none of the classes by C-GET"
        return RefusedError(
            f"{self.peer.address}: the server {what}; take C-MOVE (?retrieve=move&move_port=PORT), or ask "
            "its administrator"
        )

    def _followed(self, answers: Iterator[Any], incoming: Incoming, arrived: Arrived) -> str:
        """Wait until a retrieval has ended; what the server said where that was no success."""
        code = 0
        for answer, _ in answers:
            code = self.peer.code(answer)
            incoming.tell(arrived)
            if code not in PENDING:
                break
        if code == 0xA801:
            return (
                f"{meaning(code)}: ask its administrator to enter {self.peer.address.move_aet} with this "
                f"computer and port {self.peer.address.move_port}"
            )
        return meaning(code) if code and code not in PENDING else ""

    def _requests(self, series: RemoteSeries, incoming: Incoming, one_by_one: bool) -> Iterator[Any]:
        """What to ask for: the series, where most of it is missing, else instances by their UIDs."""
        of_series = {"StudyInstanceUID": series.study, "SeriesInstanceUID": series.uid}
        there = len(self._classes.get((series.study, series.uid), incoming.missing))
        if not one_by_one and 2 * len(incoming.missing) > there:
            yield self.peer.identifier("SERIES", of_series)
            return
        uids = iter(sorted(incoming.missing))
        while piece := list(islice(uids, 1 if one_by_one else UIDS_AT_ONCE)):
            yield self.peer.identifier("IMAGE", {**of_series, "SOPInstanceUID": piece})

    @contextmanager
    def _storage(self, incoming: Incoming, activity: Activity) -> Iterator[None]:
        """A storage of our own, to which the server sends."""
        package, address = self.peer.package, self.peer.address
        entity = package.AE(ae_title=address.move_aet)
        entity.require_called_aet = True
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = address.timeout
        entity.maximum_pdu_size = MAX_PDU_BYTES
        for uid in storage_classes(package):
            entity.add_supported_context(uid, list(SYNTAXES))
        place = (_own_address(address.host), address.move_port or 0)
        handlers = [(package.evt.EVT_C_STORE, incoming.take), *prompt(package, address.timeout, activity)]
        try:
            server = entity.start_server(place, block=False, evt_handlers=handlers)
        except OSError as error:
            raise OutputError(
                f"{self.peer.address}: port {address.move_port} of this computer, to which the server sends "
                f"(move_port), cannot be opened: {error.strerror}"
            ) from error
        try:
            yield
        finally:
            server.shutdown()

    def _uid(self, item: Any, keyword: str) -> str:
        uid = _text(item, keyword)
        if not is_safe_uid(uid):
            raise self.peer.error(f"the server tells no UID as {keyword} of what it lists")
        return uid


def _get_proposals(classes: Collection[str]) -> Iterator[list[Proposal]]:
    """What to propose for each association of a C-GET: every transfer syntax of the classes, as many as fit.

    Where the server told no classes, those of the standard, in native syntaxes, then in all.
    """
    query = Proposal(GET, NATIVE)
    known = sorted(filter(is_safe_uid, classes))
    of_one = len(SYNTAXES)
    at_once = (MAX_CONTEXTS - 1) // of_one
    for start in range(0, len(known), at_once):
        yield [query, *proposals_for(known[start : start + at_once], SYNTAXES, receive=True)]
    if "" in classes:
        import pynetdicom

        every = storage_classes(pynetdicom)
        for start in range(0, len(every), MAX_CONTEXTS - 1):
            yield [query, *(Proposal(one, NATIVE, True) for one in every[start : start + MAX_CONTEXTS - 1])]
        for start in range(0, len(every), at_once):
            yield [query, *proposals_for(every[start : start + at_once], SYNTAXES, receive=True)]


def _own_address(host: str) -> str:
    """The address of this computer by which another one sees it."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.connect(place)  # nothing is sent
            return str(trial.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _text(item: Any, keyword: str) -> str:
    """An attribute of an answer; empty where it is missing or cannot be read."""
    try:
        return str(item.get(keyword, "") or "").strip(" \0")
    except (ValueError, TypeError, LookupError, NotImplementedError):
        return ""


def _attributes_of(item: Any, keywords: Sequence[str]) -> dict[str, str]:
    """Attributes of an answer, by keyword; blank where it is no single value.

    Some servers give a part of several values, or what they were asked for: wildcards and ranges.
    """
    return {keyword: _believed(keyword, _text(item, keyword)) for keyword in keywords}


def _believed(keyword: str, text: str) -> str:
    form = _DATE if keyword == "StudyDate" else _SINGLE
    return text if form.fullmatch(text) else ""


def _count(item: Any) -> int | None:
    text = _text(item, "NumberOfSeriesRelatedInstances")
    return int(text) if text.isdecimal() and int(text) > 0 else None
