"""The reference that steps take: axes of a crystal, intensities."""

from __future__ import annotations

from pathlib import Path

from dxdask.parameters.model import Parameters, parameter


class ReferenceParameters(Parameters):
    """Reference that data are reindexed onto."""

    experiments: Path | None = parameter(
        None, "Store (.zarr) or .expt with the crystal whose axes are wanted."
    )
    reflections: Path | None = parameter(
        None, "Reference intensities: .refl beside `experiments`, or an .mtz by itself."
    )
    branch: str = parameter("main", "Branch of the store that `experiments` names.")

    @property
    def is_given(self) -> bool:
        """Whether a reference is named."""
        return self.experiments is not None or self.reflections is not None

    @property
    def may_have_intensities(self) -> bool:
        """Whether what is named is no crystal alone."""
        store = self.experiments is not None and self.experiments.suffix == ".zarr"
        return store or self.reflections is not None
