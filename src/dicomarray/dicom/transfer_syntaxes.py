"""Transfer syntaxes by what they mean for a data set (PS3.5 Annex A); the codecs know the others."""

IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
# The data set cannot be read in part.
DEFLATED = "1.2.840.10008.1.2.1.99"
# Each frame of encapsulated pixel data is a deflated native one (PS3.5 A.4.13).
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
LITTLE_ENDIAN = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)
# Pixel data is not encapsulated.
NATIVE_SYNTAXES = (*LITTLE_ENDIAN, DEFLATED, BIG_ENDIAN)
# JPEG Baseline and Extended, JPEG-LS Near-lossless.
ALWAYS_LOSSY = frozenset(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"))
