"""The functions in examples/ do through `run` what they say, on series made in code."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.ndimage import gaussian_filter, uniform_filter

import dicomarray
import oracles
import synthetic

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(source: Path, output: Path, function: str, *parameters: str) -> Path:
    """The one series that the command wrote."""
    command = [sys.executable, "-m", "dicomarray", "run", "-i", source, "-o", output]
    command += ["-f", f"{EXAMPLES / function}", *(word for text in parameters for word in ("--param", text))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = (path for path in output.iterdir() if path.is_dir() and not path.name.startswith("."))
    return folder


@pytest.fixture
def smooth(tmp_path: Path) -> Path:
    """A CT whose values between voxels are known: HU = 10 z + 4 y + 2 x - 24, in mm from the first voxel."""
    slices, rows, columns = np.indices((8, 20, 24))
    row_mm, column_mm = synthetic.PIXEL_SPACING_MM
    values = 10 * synthetic.SPACING_MM * slices + 4 * row_mm * rows + 2 * column_mm * columns + 1000
    synthetic.write_series(tmp_path / "ct", values.astype(np.uint16), bits_stored=12)
    return tmp_path / "ct"


def test_denoise(ct: Path, tmp_path: Path) -> None:
    """The result is that of SciPy's own filter, with the width in voxels worked out by hand."""
    folder = run(ct, tmp_path / "out", "denoise.py:denoise", "sigma_mm=1.5")
    row_mm, column_mm = synthetic.PIXEL_SPACING_MM
    sigma = (1.5 / synthetic.SPACING_MM, 1.5 / row_mm, 1.5 / column_mm)
    expected = gaussian_filter(synthetic.stored_values().astype(np.float32) - 1024, sigma)
    read = oracles.simpleitk(sorted(folder.glob("*.dcm"))).array
    assert np.abs(read - expected).max() <= np.ptp(expected) / 4095


def test_resample(smooth: Path, tmp_path: Path) -> None:
    """Cubic voxels: at every place in the patient SimpleITK reads the value that belongs there."""
    folder = run(smooth, tmp_path / "out", "resample.py:isotropic", "spacing_mm=1")
    read = oracles.simpleitk(sorted(folder.glob("*.dcm")))
    np.testing.assert_allclose(read.affine[:3, :3], np.eye(3)[:, ::-1], atol=1e-9)
    np.testing.assert_allclose(read.affine[:3, 3], synthetic.ORIGIN_MM)
    row_mm, column_mm = synthetic.PIXEL_SPACING_MM
    extent = [int(7 * synthetic.SPACING_MM) + 1, int(19 * row_mm) + 1, int(23 * column_mm) + 1]
    assert read.array.shape == tuple(extent)
    z, y, x = np.indices(read.array.shape)
    assert np.abs(read.array - (10 * z + 4 * y + 2 * x + 1000 - 1024)).max() <= 1.1  # the source is rounded


def averaging_model(path: Path) -> None:
    """A model of one layer: the mean of 3 x 3 pixels, the border repeated."""
    weights: NDArray[np.float32] = np.full((1, 1, 3, 3), 1 / 9, np.float32)
    pads = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "pads")
    shape = [None, 1, None, None]
    graph = helper.make_graph(
        [
            helper.make_node("Pad", ["image", "pads"], ["padded"], mode="edge"),
            helper.make_node("Conv", ["padded", "weights"], ["mean"]),
        ],
        "mean",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "weights"), pads],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def test_onnx_model(ct: Path, tmp_path: Path) -> None:
    """A convolution by onnxruntime is SciPy's mean of 3 x 3 pixels, slice by slice."""
    averaging_model(tmp_path / "mean.onnx")
    folder = run(ct, tmp_path / "out", "onnx_model.py:Model", f"path={tmp_path / 'mean.onnx'}")
    expected = uniform_filter(synthetic.stored_values().astype(np.float64) - 1024, (1, 3, 3), mode="nearest")
    read = dicomarray.load(folder).array
    assert np.abs(read - expected).max() <= np.ptp(expected) / 4095


NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells of a notebook run in order, a second time too; the last line of a cell can be shown."""
    monkeypatch.chdir(tmp_path)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs")]
    namespace: dict[str, object] = {}
    for cell in cells * 2:
        if cell["cell_type"] != "code":
            continue
        body = ast.parse("".join(cell["source"]))
        last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
        exec(compile(body, path.name, "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), path.name, "eval"), namespace)
            shown = getattr(value, "_repr_html_", value.__repr__)()
            assert shown or value is None
