"""Processes that live no longer than the notebook: servers, scripts, PostgreSQL, a small project."""
