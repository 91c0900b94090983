"""ESC-10 and ESC-50, and sound files in general."""
