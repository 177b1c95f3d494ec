"""`python -m limen` is the `limen` command."""

from __future__ import annotations

from limen.cli import main

main()
