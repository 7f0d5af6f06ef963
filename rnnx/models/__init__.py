"""What can be explained: protocols, the numpy engine, checkpoints."""
