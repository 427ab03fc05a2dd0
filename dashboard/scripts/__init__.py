"""The code for a view: scripts on the public interface, as text made of plain values."""
