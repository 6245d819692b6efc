"""Colours of segments: red, green and blue, and CIELab as DICOM writes it (PS3.3 C.10.7.1.1).

By way of the white point D65, as dcmtk does it, and with it dcmqi and 3D Slicer: a colour that goes through
them and back stays what it was.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WHITE = np.array([0.950456, 1.0, 1.088754])  # X, Y, Z of D65
_TO_XYZ = np.array(
    [
        [0.4123955889674142161, 0.3575834307637148171, 0.1804926473817015735],
        [0.2125862307855955516, 0.7151703037034108499, 0.07220049864333622685],
        [0.01929721549174694484, 0.1191838645808485318, 0.9504971251315797660],
    ]
)
_FROM_XYZ = np.linalg.inv(_TO_XYZ)
_KNEE, _SLOPE = 0.0031308, 12.92  # of the sRGB transfer curve (IEC 61966-2-1)
_CUBE, _LINE, _OFFSET = 0.008856, 7.787, 16 / 116  # where CIE's cube root becomes a line
_GREATEST = 65535  # L* of 100, a* and b* of 127


def to_lab(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Red, green and blue from 0 to 255 as Recommended Display CIELab Value."""
    values = np.array(colour) / 255
    linear = np.where(values <= _KNEE * _SLOPE, values / _SLOPE, ((values + 0.055) / 1.055) ** 2.4)
    ratio = _TO_XYZ @ linear / _WHITE
    x, y, z = np.where(ratio > _CUBE, np.cbrt(ratio), _LINE * ratio + _OFFSET)
    lab = np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
    return _whole((lab + np.array([0, 128, 128])) / [100, 255, 255] * _GREATEST, _GREATEST)


def to_rgb(lab: tuple[int, int, int]) -> tuple[int, int, int]:
    """Recommended Display CIELab Value as red, green and blue from 0 to 255."""
    level, a, b = np.array(lab) / _GREATEST * [100, 255, 255] - [0, 128, 128]
    y = (level + 16) / 116
    roots = np.array([y + a / 500, y, y - b / 200])
    ratio = np.where(roots**3 > _CUBE, roots**3, (roots - _OFFSET) / _LINE)
    linear = np.clip(_FROM_XYZ @ (ratio * _WHITE), 0, 1)
    values = np.where(linear <= _KNEE, linear * _SLOPE, 1.055 * linear ** (1 / 2.4) - 0.055)
    return _whole(values * 255, 255)


def _whole(values: NDArray[np.float64], greatest: int) -> tuple[int, int, int]:
    first, second, third = np.clip(np.rint(values), 0, greatest).astype(int).tolist()
    return first, second, third
