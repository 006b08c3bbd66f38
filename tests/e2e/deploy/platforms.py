"""platforms.py LAYOUT ARCH...: make the only image of an OCI layout one for each of these platforms,
the same but for what its config says, in this order. Prints ARCH and the config's digest of each."""

import hashlib
import json
import os
import sys


def put(layout, text):
    digest = hashlib.sha256(text).hexdigest()
    with open(os.path.join(layout, "blobs/sha256", digest), "wb") as file:
        file.write(text)
    return "sha256:" + digest, len(text)


def get(layout, digest):
    with open(os.path.join(layout, "blobs/sha256", digest.partition(":")[2]), "rb") as file:
        return json.load(file)


def main():
    layout, platforms = sys.argv[1], sys.argv[2:]
    with open(os.path.join(layout, "index.json"), "rb") as file:
        (only,) = json.load(file)["manifests"]
    manifest = get(layout, only["digest"])
    config = get(layout, manifest["config"]["digest"])
    entries = []
    for arch in platforms:
        config["architecture"] = arch
        digest, size = put(layout, json.dumps(config).encode())
        print(arch, digest)
        manifest["config"].update(digest=digest, size=size)
        digest, size = put(layout, json.dumps(manifest).encode())
        entries.append({"mediaType": only["mediaType"], "digest": digest, "size": size,
                        "platform": {"os": "linux", "architecture": arch}})
    with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as file:
        json.dump({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                   "manifests": entries}, file)


main()
