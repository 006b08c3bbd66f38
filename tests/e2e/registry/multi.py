#!/usr/bin/env python3
"""multi.py FOLDER: an OCI layout with an index, "multi", of an amd64 and an arm64 image, in bytes that
no tool would write the same way again."""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

OCI = "application/vnd.oci.image."


def tar(name, content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


class Layout:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder + "/blobs/sha256")

    def file(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as out:
            out.write(data)

    def blob(self, media, data, **more):
        name = hashlib.sha256(data).hexdigest()
        self.file("blobs/sha256/" + name, data)
        return {"mediaType": OCI + media, "size": len(data), "digest": "sha256:" + name, **more}

    def image(self, arch, content):
        layer = tar("busybox", content)
        config = {"os": "linux", "architecture": arch, "config": {"Cmd": ["/busybox", "echo", arch]},
                  "rootfs": {"type": "layers",
                             "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}
        manifest = {
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": self.blob("config.v1+json", json.dumps(config, indent=5).encode()),
            "layers": [self.blob("layer.v1.tar+gzip", gzip.compress(layer, 3, mtime=77))]}
        return self.blob("manifest.v1+json", json.dumps(manifest, indent=1).encode() + b"\n",
                         platform={"architecture": arch, "os": "linux"})


def main():
    layout = Layout(sys.argv[1])
    with open("/bin/busybox", "rb") as busybox:
        images = [layout.image("amd64", busybox.read()), layout.image("arm64", os.urandom(100000))]
    index = json.dumps({"annotations": {"z": "ä", "a": "\\"}, "manifests": images,
                        "schemaVersion": 2, "mediaType": OCI + "index.v1+json"}, indent=3).encode()
    entry = layout.blob("index.v1+json", index + b"\n\n",
                        annotations={"org.opencontainers.image.ref.name": "multi"})
    layout.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    layout.file("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())


if __name__ == "__main__":
    main()
