"""What RR-Net adds to a classifier, beside other ways to use the same features and labelled samples."""
