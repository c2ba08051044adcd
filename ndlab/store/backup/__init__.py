"""Back a store up into one file or folder, and restore it: the same bytes under the same keys, proven by checksums."""

from ndlab.store.backup.copying import backup, restore, verify
from ndlab.store.backup.manifest import SUMS, Backup

__all__ = ["SUMS", "Backup", "backup", "restore", "verify"]
