from setuptools import Extension, setup

setup(
    name="fnv",
    version="0.1",
    description="FNV-1a, 64 bits",
    ext_modules=[Extension("fnv", ["fnv.c"])],
)
