"""The databases of a lesson: sample data, copies to go back to, connections, and PostgreSQL."""
