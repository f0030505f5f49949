"""The parameters that the residuals of one reflection depend on, in their order.

All are small changes of the present models: rotations (rad) of the crystal about the laboratory
axes; its strains; rotations of the beam about two axes (rad) and the relative change of its
wavenumber; rotations of the goniometer's setting about two axes (rad); shifts (mm) of the panel
that was hit along its fast axis, slow axis and normal, and rotations (rad) about these.
"""

from __future__ import annotations

ROTATION, STRAIN, BEAM, SETTING, PANEL = 0, 3, 9, 12, 14
"""First index of each kind."""
N_CRYSTAL, N_MODELS, N_LOCAL = 9, 14, 20
"""Number of parameters of the crystal; of crystal, beam and setting; of all."""
N_MOVES = 6
"""Moves of a panel."""
