"""Pictures and texts: generators, and what ranks their candidates anew."""
