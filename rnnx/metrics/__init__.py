"""Measures of how far an explanation can be believed: pure functions on arrays, one family a page."""
