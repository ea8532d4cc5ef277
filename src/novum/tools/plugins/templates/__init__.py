"""Templates of ``novum tools new``."""
