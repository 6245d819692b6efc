"""The command line: arguments, exit codes, progress and the rendering of reports; no imaging code."""
