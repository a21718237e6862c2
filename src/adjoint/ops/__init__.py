"""Floor 2: the cards, one family a file, an operation beside its transpose."""
