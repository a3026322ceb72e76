"""hwgen: from a trained robot policy to a running FPGA accelerator."""

__version__ = "0.1.0"
