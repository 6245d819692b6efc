"""Paths, folders and archives -> candidate files."""
