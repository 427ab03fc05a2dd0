"""The commands, a module each; `engine.__main__` puts them together."""
