"""Training in torch: the only part that needs it."""
