"""The settings of a worker process: those of the project, and what the lesson that started it has changed."""

import json
import os

from tutorial_project.settings import *  # noqa: F403

globals().update(json.loads(os.environ["ASYNC_VIEWS_LESSON_SETTINGS"]))
