"""The stored values of frames; the codecs."""
