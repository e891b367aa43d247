"""The pages of the bundled server on which a user signs in, consents and sees who is signed in."""
