"""A descriptor pool of our own: client packages in the same process bring messages of the same names."""

from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
