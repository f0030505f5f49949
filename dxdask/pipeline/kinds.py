"""Kinds of experiments: sweeps, stills."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["sweeps", "stills"]
