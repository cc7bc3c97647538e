"""The agency's front desk: a Django project of a few async views, small enough to start on any server at once."""
