"""Prompts: tokenizers and text encoders, and what they tell a network."""
