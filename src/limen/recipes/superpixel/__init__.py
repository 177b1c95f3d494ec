"""The tables and figures of Dong et al. on superpixel-guided attentional attacks."""
