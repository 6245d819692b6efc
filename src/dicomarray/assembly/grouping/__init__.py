"""Frames -> stacks: what differs in kind is split, what repeats gets an axis, the rest is ordered."""
