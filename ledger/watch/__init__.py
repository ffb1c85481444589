"""What a process tells whoever watches it: its log, its figures, and whether it can work."""
