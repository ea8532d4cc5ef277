"""Molecules: descriptors, tight binding and density functional theory."""
