"""Deciding: functions from core values to core values."""
