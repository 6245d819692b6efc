"""PyTorch's data sets: the same samples in any process, in batches of PyTorch's own."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from dicomarray import DataError, load
from synthetic import stored_values, write_series

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-frameworks")

from dicomarray.adapters.torch import PatchDataset, VolumeDataset  # noqa: E402

SIZE = (3, 5, 7)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for number in range(3):
        common = {"SeriesInstanceUID": f"1.2.3.{number}", "SeriesNumber": number}
        write_series(tmp_path / str(number), np.roll(stored_values(), number), common=common)
    return tmp_path


def test_volumes_are_collated(archive: Path) -> None:
    """A batch has the arrays and affines of the volumes."""
    batch = next(iter(torch.utils.data.DataLoader(VolumeDataset(archive), batch_size=3)))
    assert batch["image"].shape == (3, 1, 6, 12, 16)
    for place, uid in enumerate(batch["series_uid"]):
        volume = load(archive, series=uid)
        np.testing.assert_array_equal(batch["image"][place, 0].numpy(), volume.array)
        np.testing.assert_array_equal(batch["affine"][place].numpy(), volume.affine)


def test_a_patch_is_a_part_of_its_volume(archive: Path) -> None:
    """Values and world positions are those of the volume at ``start``."""
    for sample in PatchDataset(archive, SIZE, patches_per_volume=4):
        volume = load(archive, series=sample["series_uid"])
        start = sample["start"].tolist()
        part = volume.array[tuple(slice(a, a + n) for a, n in zip(start, SIZE, strict=True))]
        np.testing.assert_array_equal(sample["image"][0].numpy(), part)
        np.testing.assert_allclose(sample["affine"].numpy() @ [0, 0, 0, 1], volume.affine @ [*start, 1])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_give_the_same_patches(archive: Path, method: str) -> None:
    """The seed alone decides, however many processes there are; another epoch has other patches."""
    dataset = PatchDataset(archive, SIZE, patches_per_volume=2, seed=3)
    dataset[0]  # something is kept when the workers start
    loader = torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context=method)
    here = torch.cat([batch["image"] for batch in torch.utils.data.DataLoader(dataset, batch_size=2)])
    assert torch.equal(torch.cat([batch["image"] for batch in loader]), here)
    again = pickle.loads(pickle.dumps(dataset))
    again.set_epoch(1)
    assert not torch.equal(
        torch.stack([again[n]["start"] for n in range(6)]),
        torch.stack([dataset[n]["start"] for n in range(6)]),
    )


def test_a_volume_smaller_than_a_patch_is_an_error_or_left_out(archive: Path) -> None:
    """It is not padded without a word."""
    write_series(archive / "small", stored_values((2, 12, 16)), common={"SeriesInstanceUID": "1.2.3.9"})
    with pytest.raises(DataError, match="less than a patch"):
        PatchDataset(archive, SIZE)
    counted = PatchDataset(archive, SIZE, errors="count")
    assert [failure.uid for failure in counted.failures] == ["1.2.3.9"]
    assert counted[0]["skipped"] == 0


def test_a_transform_makes_the_item(archive: Path) -> None:
    """What it returns is what the data set gives."""
    dataset = VolumeDataset(archive, {"SeriesNumber": 1}, lambda sample: sample["image"].shape)
    assert list(dataset) == [(1, 6, 12, 16)]
