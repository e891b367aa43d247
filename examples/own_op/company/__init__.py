"""What is the company's own and stays as it is: people, clients, keys, and the login page."""
