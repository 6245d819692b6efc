"""Volumes for other libraries, and back: each module needs its library, which is imported when it is used."""
