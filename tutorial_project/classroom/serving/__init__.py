"""Django's application for a notebook: its handlers, a server on a port, requests sent together."""
