"""Tasks that gave up: what is kept of each, whatever the result backend is, and how it is run again."""
