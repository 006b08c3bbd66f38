from setuptools import setup

setup(
    name="deployme",
    version="0.1",
    description="Says hello, and the hash of it",
    packages=["deployme"],
    install_requires=["fnv"],
    entry_points={"console_scripts": ["run-the-app = deployme:main"]},
)
