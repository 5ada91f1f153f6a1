"""The command: one module for each group of commands, nothing heavy imported until one runs."""
