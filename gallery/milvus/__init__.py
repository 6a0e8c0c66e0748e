"""A gallery in Milvus, for people that one machine cannot hold. See docs/milvus.md."""

from gallery.milvus.gallery import MilvusGallery

__all__ = ["MilvusGallery"]
