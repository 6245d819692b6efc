"""What the process says when it ends."""

DONE = 0
NOT_CONVERTED = 1
WRONG_USE = 2
SOME_FAILED = 3
INTERRUPTED = 130
