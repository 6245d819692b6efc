"""An ONNX model over every slice, through onnxruntime; each worker loads it once.

dicomarray run -i archive -o predicted -f examples/onnx_model.py:Model --param path=model.onnx --workers 2
"""

import numpy as np
import onnxruntime

import dicomarray


class Model:
    """Made once in every worker; called with one volume after the other."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the workers share the cores already
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name

    def __call__(self, volume: dicomarray.Volume) -> np.ndarray:
        """The model takes and returns (batch, 1, rows, columns), float32; here a slice at a time."""
        images = volume.array.astype(np.float32).reshape(-1, 1, 1, *volume.array.shape[-2:])
        results = [self.session.run(None, {self.name: image})[0] for image in images]
        return np.stack(results).reshape(volume.array.shape)
