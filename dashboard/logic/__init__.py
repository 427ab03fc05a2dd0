"""What the pages compute and check, apart from the screen: one folder a page."""
