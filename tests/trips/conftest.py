"""Each test of the agency begins with the sample rows and nobody else's, whatever ran before it in its process."""

import pytest


@pytest.fixture(autouse=True)
def only_sample_rows(sample_database):
    """Take away what tests of other folders have left in the database."""
