"""Files on this machine: where data sets lie, columns of text, downloads and arrays kept for later runs."""
