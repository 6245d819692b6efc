"""python -m fuzzing: as many runs as asked for; what is found, and how to see it again."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fuzzing.runner import Outcome, damaged, fuzz, write
from fuzzing.seeds import all_seeds

LINE_EVERY_S = 60


def main() -> int:
    """The exit code: 1 where something was found."""
    options = _options()
    seeds = [seed for seed in all_seeds() if options.seeds in seed.name]
    if options.keep is not None:
        seed = seeds[options.first % len(seeds)]
        write(damaged(seed, options.first), options.keep)
        print(f"{seed.name}, run {options.first}: {options.keep}")
        return 0
    print(f"{len(seeds)} seeds, runs {options.first} to {options.first + options.runs - 1}", flush=True)
    outcome = fuzz(seeds, range(options.first, options.first + options.runs), _Reporter())
    _report(outcome)
    return bool(outcome.found)


class _Reporter:
    """Says now and then how far it is, and what was found."""

    def __init__(self) -> None:
        self._started = self._told = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        now = time.monotonic()
        if now - self._told > LINE_EVERY_S:
            self._told = now
            _report(outcome)
            print(f"  {outcome.runs / (now - self._started):.0f} runs a second", flush=True)


def _report(outcome: Outcome) -> None:
    print(f"{outcome.runs} runs, {sum(outcome.found.values())} faults of {len(outcome.found)} kinds")
    for kind, count in outcome.found.most_common():
        print(f"  {count} x {outcome.examples[kind]}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="the number of the first run")
    parser.add_argument("--seeds", default="", metavar="TEXT", help="only seeds with this in their name")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="only write the files of run --first there"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
