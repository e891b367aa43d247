"""The steps, each a file named by its version; one that was released is never changed."""
