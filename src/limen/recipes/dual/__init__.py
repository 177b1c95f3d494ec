"""The tables and figures of Tong et al."""
