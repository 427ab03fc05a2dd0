"""Behind the Recognition page."""
