"""The model file: one safetensors container with a JSON manifest and a checksum. Never pickle."""

from tacit.persistence.atomic import atomic_write
from tacit.persistence.model_file import load, read_manifest, save
from tacit.persistence.packing import pack, register, registered, unpack

__all__ = ["atomic_write", "load", "pack", "read_manifest", "register", "registered", "save", "unpack"]
