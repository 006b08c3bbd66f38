lPackage: base-files
Version: 12.4
