"""How well the recording fixes each setting: the curvature of the error, and how much the recording's parts agree.

References
----------
.. [1] H. White, "Maximum likelihood estimation of misspecified models", Econometrica 50(1), 1982 (the sandwich).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.fit.knobs import KNOBS

BLOCK_S = 0.1
SMALLEST_EIGENVALUE = 1e-14


@dataclass(frozen=True)
class Uncertainty:
    """Standard uncertainties on the scales of the search.

    Parameters
    ----------
    covariance : ndarray, shape (n_names, n_names)
        Of the settings.
    """

    covariance: FloatArray

    @property
    def sigma(self) -> FloatArray:
        """Standard uncertainty of each setting."""
        return np.sqrt(np.diag(self.covariance))

    def loosest(self, names: Sequence[str]) -> int | None:
        """Index of the setting that is known least, if it counts as not identified."""
        ratios = self.sigma / np.array([KNOBS[name].loose for name in names])
        worst = int(np.argmax(ratios))
        return worst if ratios[worst] > 1.0 else None

    def partner(self, index: int) -> tuple[int, float] | None:
        """The setting that moves most with another one, and their correlation; None where there is only one."""
        if len(self.covariance) < 2:
            return None
        correlations = self.covariance[index] / (self.sigma[index] * np.maximum(self.sigma, 1e-300))
        correlations[index] = 0.0
        other = int(np.argmax(np.abs(correlations)))
        return other, float(correlations[other])


def uncertainty_of(residual: FloatArray, jacobian: FloatArray, *, sample_rate: int) -> Uncertainty:
    """Covariance of the fitted settings at the minimum.

    Parameters
    ----------
    residual : ndarray, shape (n_compared,)
        Error at the minimum.
    jacobian : ndarray, shape (n_compared, n_names)
        Its derivative.
    sample_rate : int
        Hz.

    Notes
    -----
    The sandwich H^-1 (sum over blocks of 0.1 s of g g^T) H^-1, H = J^T J, g = J^T r of the block: it holds for
    coloured errors and for those that the model cannot explain, as long as they change from block to block. Where H
    has no curvature at all the uncertainty is that of an eigenvalue 1e-14 of the largest.
    """
    size = max(1, round(BLOCK_S * sample_rate))
    starts = np.arange(0, len(residual), size)
    slopes = np.add.reduceat(jacobian * residual[:, np.newaxis], starts, axis=0)
    values, vectors = np.linalg.eigh(jacobian.T @ jacobian)
    floor = SMALLEST_EIGENVALUE * max(float(values[-1]), 1e-12)
    inverse = (vectors / np.maximum(values, floor)) @ vectors.T
    blocks = max(len(starts), 2)
    return Uncertainty(inverse @ (slopes.T @ slopes) @ inverse * (blocks / (blocks - 1)))
