"""Texts to tokens, tokens to ids."""
