"""The straight path of small requests by REST: from the socket to the queue and back, without the app between."""
