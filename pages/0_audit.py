"""The address of a page as the first request of a server: pages/session/first_request.py."""

from pages.session.first_request import hand_over

hand_over()
