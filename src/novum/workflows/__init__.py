"""Joining: the only place that sees agents, tools and stores together."""
