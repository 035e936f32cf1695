"""The pages, as somebody who is signed in sees them and acts on them."""
