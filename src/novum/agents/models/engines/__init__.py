"""Engines that serve models: the command for a model on a machine, and its life from start to stop."""
