"""What several pages draw: pickers, image grids, charts."""
