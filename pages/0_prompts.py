"""The address of a page as the first request of a server: session/address.py."""

from pages.session.address import hand_over

hand_over()
