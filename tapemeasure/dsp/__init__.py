"""Building blocks: correlation, fractional delay, spectra, weighting curves."""
