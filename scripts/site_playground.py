"""The filter playground of the site: configs, and what each finds in pydicom's own test files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom.data

ARCHIVE = Path(pydicom.data.__file__).parent / "test_files"
INTRODUCTION = """\
# Filter playground

Each tab is a config and what it finds in the test files that pydicom ships: small, real, of many makers, and
messy. Try your own on the same files:

```sh
pydicom=$(python -c 'import pydicom; print(pydicom.__path__[0])')
dicomarray index -i "$pydicom/data/test_files" --index files.sqlite
dicomarray filter --index files.sqlite -w 'Modality=CT' --why
```

The [reference](reference/filter.md) says what each word means.

"""
EXAMPLES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("A value", {"Modality": "CT"}, "Every image of the series has this value."),
    ("One of several", {"Modality": ["CT", "MR"], "SeriesNumber": {"lte": 3}},
     "A list is a choice; a mapping compares."),
    ("Text", {"SeriesDescription": "*brain*"}, "`*` stands for any text; case does not count."),
    ("A fact", {"plane": "axial", "num_slices": {"gte": 4}},
     "Facts are those of the volumes that would be built: plane, number of slices, spacing, time points."),
    ("A sequence", {"ReferencedStudySequence.ReferencedSOPClassUID": {"exists": True}},
     "A path goes into sequences: true where one item has it."),
    ("Not", {"Modality": "CT", "not": {"some": {"ImageType": "LOCALIZER"}}},
     "No image of the series may be a localizer: `some` asks for one image, `not` turns it round."),
    ("Either", {"any": [{"Modality": "PT"}, {"Modality": "NM"}, {"num_frames": {"gt": 1}}]},
     "`any` is true where one of its conditions is."),
    ("Sorted", {"Modality": "MR", "sort": "-num_slices", "limit": 1, "per": "study"},
     "The largest series of each study."),
)  # fmt: skip


def playground(scratch: Path) -> str:
    """The page; ``scratch`` is a folder for the configs that the commands read."""
    scratch.mkdir(parents=True, exist_ok=True)
    return INTRODUCTION + "\n".join(tab(*example, scratch) for example in EXAMPLES)


def tab(title: str, config: dict[str, Any], note: str, scratch: Path) -> str:
    path = scratch / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    found = answer(path)
    why = answer(path, "--why").splitlines()
    lines = [note, "", "```json", *json.dumps(config, indent=2).splitlines(), "```", ""]
    lines += ["It finds:", "", "```text", *found.splitlines(), "```", ""]
    lines += ['??? note "Why the others fall out (`--why`)"', "", "    ```text"]
    lines += [f"    {line}" for line in why[:60]] + ["    ..."] * (len(why) > 60) + ["    ```", ""]
    return f'=== "{title}"\n\n' + "\n".join(f"    {line}".rstrip() for line in lines) + "\n"


def answer(config: Path, *flags: str) -> str:
    """What `dicomarray filter` prints; no path of this machine is in it."""
    command = [sys.executable, "-m", "dicomarray", "filter", "-i", str(ARCHIVE), "-c", str(config), *flags]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    return done.stdout.replace(f"{ARCHIVE}/", "")
