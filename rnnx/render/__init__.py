"""Results to the terminal, to plain text, and to files."""
