"""The model file: one safetensors container with a JSON manifest and a checksum. Never pickle."""

from tacit.persistence.model_file import load, read_manifest, save
from tacit.persistence.packing import pack, register, registered, unpack

__all__ = ["load", "pack", "read_manifest", "register", "registered", "save", "unpack"]
