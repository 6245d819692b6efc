"""A stack -> a volume, or a file: pixels, what their values mean, an even grid."""
