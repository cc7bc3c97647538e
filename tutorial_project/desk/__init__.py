"""What a learner's answer and terminal meet: exercises, progress, and the commands of `manage.py`."""
