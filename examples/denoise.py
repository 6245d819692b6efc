"""Gaussian denoising: the same width in the patient, in mm, whatever the voxels measure.

dicomarray run -i archive -o denoised -f examples/denoise.py:denoise --param sigma_mm=1.5
"""

import numpy as np
from scipy.ndimage import gaussian_filter

import dicomarray


def denoise(volume: dicomarray.Volume, sigma_mm: float = 1.0) -> np.ndarray:
    """A float32 array of the volume's shape; repetitions (time points, b-values) are not mixed."""
    repetitions = (0.0,) * volume.axes.index("slice")
    sigma = (*repetitions, *(sigma_mm / length for length in volume.spacing))
    return gaussian_filter(volume.array.astype(np.float32), sigma)
