"""Where the project's files are."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROTO = ROOT / "proto"
PYTHON = ROOT / "Tests" / "python"
