"""Labels -> loops around them, and loops -> the voxels that they cover; pure NumPy."""
