"""Pictures and texts that belong together: readers by data set, a folder of one's own, and features of both."""
