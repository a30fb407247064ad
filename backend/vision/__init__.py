"""Work that needs torch, done by a child process: the API asks, and survives whatever an image does to the child."""

from backend.vision.parent import (
    Answer,
    Vision,
    VisionCrashed,
    VisionRefused,
    VisionSuperseded,
    VisionUnavailable,
)

__all__ = ["Answer", "Vision", "VisionCrashed", "VisionRefused", "VisionSuperseded", "VisionUnavailable"]
