"""Capability cards, as the commands read and write them."""

from novum.agents.models.cards import card_file, find_card, save_card

__all__ = ["card_file", "find_card", "save_card"]
