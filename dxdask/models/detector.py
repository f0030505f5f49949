"""The detector: panels in space, and their hierarchy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models import parallax
from dxdask.models.count_rate import CountRate
from dxdask.models.parallax import Law
from dxdask.models.vectors import Vector, pair, vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A rectangle of the stored frame and its place in space (dxtbx's conventions).

    Pixel (x, y) has its outer corner at origin + x pixel_size[0] fast + y pixel_size[1] slow and
    its centre at x + 0.5, y + 0.5; x and y are relative to the panel's own first pixel.

    Attributes
    ----------
    name : of the panel.
    origin : outer corner of the first pixel, mm, laboratory frame.
    fast_axis, slow_axis : unit vectors.
    pixel_size : mm along fast and slow.
    image_size : pixels along fast and slow.
    offset : first pixel (fast, slow) of this panel in the stored frame.
    trusted_range : open interval of the pixel values that are used (dxtbx 3.12: ends excluded).
    invalid_values : counts that mark a pixel as invalid in the image that has them, whole numbers;
        a fraction is rounded to the nearest.
    thickness : of the sensor, mm; mu : its absorption, 1/mm; material : "Si", ...
    use_parallax : correct positions for the depth at which photons are absorbed; parallax_law : by
        which formula (`parallax.mean_path`), "dxtbx" for geometries that DIALS refined.
    gain : counts per photon; pedestal : counts at no photon.
    mask : rectangles (x0, y0, x1, y1), pixels of this panel, half open, that are masked.
    count_rate : dead time of the pixels, and whether counts are corrected for it.
    """

    name: str = "panel"
    type: str = "SENSOR_PAD"
    origin: Vector = (0.0, 0.0, -100.0)
    fast_axis: Vector = (1.0, 0.0, 0.0)
    slow_axis: Vector = (0.0, -1.0, 0.0)
    pixel_size: tuple[float, float] = (0.1, 0.1)
    image_size: tuple[int, int] = (1, 1)
    offset: tuple[int, int] = (0, 0)
    trusted_range: tuple[float, float] = (-1.0, 65535.0)
    invalid_values: tuple[float, ...] = ()
    thickness: float = 0.0
    material: str = ""
    mu: float = 0.0
    use_parallax: bool = False
    parallax_law: Law = "absorbed"
    gain: float = 1.0
    pedestal: float = 0.0
    mask: tuple[tuple[int, int, int, int], ...] = ()
    count_rate: CountRate = field(default_factory=CountRate)

    @property
    def d_matrix(self) -> Floats:
        """D (3, 3): columns fast, slow, origin; d (x_mm, y_mm, 1) is a laboratory point, mm."""
        return np.column_stack([self.fast_axis, self.slow_axis, self.origin])

    @property
    def inverse_d_matrix(self) -> Floats:
        """D (3, 3), the inverse of d: D s1 = w (x_mm, y_mm, 1)."""
        return np.asarray(np.linalg.inv(self.d_matrix))

    @property
    def normal(self) -> Floats:
        """Unit vector fast x slow (3,)."""
        return np.asarray(np.cross(self.fast_axis, self.slow_axis))

    @property
    def axes(self) -> Floats:
        """Fast axis, slow axis and normal as rows (3, 3)."""
        return np.stack([self.fast_axis, self.slow_axis, self.normal])

    @property
    def centre(self) -> Floats:
        """Centre (3,) in the laboratory frame, mm."""
        return self.lab_coordinates(np.asarray(self.image_size) * self.pixel_size / 2)

    @property
    def distance(self) -> float:
        """Distance from the sample to the panel's plane along its normal, mm, positive."""
        return float(abs(self.normal @ np.asarray(self.origin)))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Slices (slow, fast) of the stored frame that are this panel."""
        (x, y), (width, height) = self.offset, self.image_size
        return slice(y, y + height), slice(x, x + width)

    def pixel_to_mm(self, xy: ArrayLike) -> Floats:
        """Return positions (n, 2) in mm on the panel for positions (n, 2) in pixels."""
        mm = np.asarray(xy, dtype=np.float64) * np.asarray(self.pixel_size)
        out: Floats = mm
        for _ in range(parallax.ROUNDS[self.parallax_law] if self.use_parallax else 0):
            out = mm - self._parallax_shift(out)
        return out

    def mm_to_pixel(self, xy_mm: ArrayLike) -> Floats:
        """Return positions (n, 2) in pixels for positions (n, 2) in mm on the panel."""
        mm = np.asarray(xy_mm, dtype=np.float64)
        out: Floats = mm + self._parallax_shift(mm) if self.use_parallax else mm
        return np.asarray(out / np.asarray(self.pixel_size))

    def _parallax_shift(self, mm: Floats) -> Floats:
        return parallax.shift(
            mm, self.d_matrix, mu=self.mu, thickness=self.thickness, law=self.parallax_law
        )

    def lab_coordinates(self, xy_mm: ArrayLike) -> Floats:
        """Return points (n, 3) in the laboratory, mm, for positions (n, 2) in mm on the panel."""
        mm = np.asarray(xy_mm, dtype=np.float64)
        return np.asarray(mm @ self.d_matrix[:, :2].T + np.asarray(self.origin))

    def ray_intersection(self, s1: ArrayLike) -> Floats:
        """Return the intersections (n, 2), mm, of rays s1 (n, 3) with the panel; NaN where none."""
        uvw = np.asarray(s1, dtype=np.float64) @ self.inverse_d_matrix.T
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = uvw[..., :2] / uvw[..., 2:]
        return np.where(uvw[..., 2:] > 0, xy, np.nan)

    def moved(
        self,
        rotation: ArrayLike,
        shift: ArrayLike = (0.0, 0.0, 0.0),
        about: ArrayLike = (0.0, 0.0, 0.0),
    ) -> Panel:
        """Return the panel rotated by `rotation` (3, 3) about a point (mm), then shifted (mm)."""
        r, pivot = np.asarray(rotation), np.asarray(about)
        return replace(
            self,
            fast_axis=vector(r @ self.fast_axis),
            slow_axis=vector(r @ self.slow_axis),
            origin=vector(r @ (np.asarray(self.origin) - pivot) + pivot + np.asarray(shift)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A node of the hierarchy: a coordinate frame with groups and panels (by index) in it.

    origin, fast_axis, slow_axis are in the laboratory frame (mm, unit vectors), as for panels.
    """

    name: str = ""
    origin: Vector = (0.0, 0.0, 0.0)
    fast_axis: Vector = (1.0, 0.0, 0.0)
    slow_axis: Vector = (0.0, 1.0, 0.0)
    groups: tuple[Group, ...] = ()
    panels: tuple[int, ...] = ()

    def all_panels(self) -> tuple[int, ...]:
        """Indices of the panels here and below."""
        return (*self.panels, *(i for g in self.groups for i in g.all_panels()))

    def shifted(self, shift: ArrayLike) -> Group:
        """Return the node and all groups below shifted by `shift` (3,), mm; not the panels."""
        return replace(
            self,
            origin=vector(np.asarray(self.origin) + np.asarray(shift)),
            groups=tuple(g.shifted(shift) for g in self.groups),
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Group:
        """Return the node that `dataclasses.asdict` wrote."""
        given = dict(values)
        for name in ("origin", "fast_axis", "slow_axis"):
            given[name] = vector(given[name])
        given["groups"] = tuple(cls.from_dict(g) for g in given["groups"])
        given["panels"] = tuple(int(i) for i in given["panels"])
        return cls(**given)


@dataclass(frozen=True, kw_only=True, slots=True)
class Detector:
    """Panels, and the hierarchy in which refinement may move them together."""

    panels: tuple[Panel, ...]
    root: Group = field(default_factory=Group)

    def __post_init__(self) -> None:
        if not self.root.all_panels():
            object.__setattr__(
                self, "root", replace(self.root, panels=tuple(range(len(self.panels))))
            )

    def __len__(self) -> int:
        return len(self.panels)

    def __getitem__(self, index: int) -> Panel:
        return self.panels[index]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Smallest stored frame (slow, fast) that holds every panel, pixels."""
        return (
            max(p.offset[1] + p.image_size[1] for p in self.panels),
            max(p.offset[0] + p.image_size[0] for p in self.panels),
        )

    def require_room(self, shape: tuple[int, ...], what: str) -> None:
        """Check that frames, or arrays with a value for each of their pixels, hold every panel.

        shape : (..., slow, fast), pixels. what : name of the array, for the message.

        Raises
        ------
        InputError
            They are smaller.
        """
        needed = self.frame_shape
        if len(shape) < 2 or shape[-2] < needed[0] or shape[-1] < needed[1]:
            raise InputError(
                f"{what} {shape}, the panels of the detector take up {needed} (slow, fast); "
                "give the size of the frames, or the detector that recorded them"
            )

    def panel_map(
        self, shape: tuple[int, int] | None = None
    ) -> np.ndarray[Any, np.dtype[np.int16]]:
        """Return each pixel's panel (slow, fast) int16, -1 between panels."""
        out = np.full(shape or self.frame_shape, -1, dtype=np.int16)
        for i, panel in enumerate(self.panels):
            out[panel.slices] = i
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return the model as values that JSON can hold.

        A panel without `parallax_law` has the law "dxtbx", the only one of older stores: they and
        the fingerprints of their models stay as they are. So do those of panels of which no
        `count_rate` is known.
        """
        out = asdict(self)
        for panel in out["panels"]:
            if panel["parallax_law"] == "dxtbx":
                del panel["parallax_law"]
            if panel["count_rate"] == asdict(CountRate()):
                del panel["count_rate"]
        return out

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Detector:
        """Return the model that `to_dict` wrote."""
        return cls(
            panels=tuple(_panel_from_dict(p) for p in values["panels"]),
            root=Group.from_dict(values["root"]),
        )


def _panel_from_dict(values: dict[str, Any]) -> Panel:
    given = {"parallax_law": "dxtbx", **values}
    for name in ("origin", "fast_axis", "slow_axis"):
        given[name] = vector(given[name])
    for name in ("pixel_size", "trusted_range"):
        given[name] = pair(given[name])
    for name in ("image_size", "offset"):
        x, y = given[name]
        given[name] = (int(x), int(y))
    given["count_rate"] = CountRate.from_dict(given.get("count_rate"))
    given["invalid_values"] = tuple(float(v) for v in given.get("invalid_values", ()))
    given["mask"] = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in given.get("mask", ()))
    return Panel(**given)
