"""Behind the Training page."""
