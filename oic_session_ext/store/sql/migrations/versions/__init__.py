"""The migrations, each a file named by its version. A released migration must not be changed."""
