"""A command prefix that runs a process on a root file system that refuses writes, as hardened containers have it."""

import subprocess

# In a mount namespace of its own; temporary files go to memory, at a place under which no checkout lies.
READ_ONLY_ROOT = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs tmpfs /mnt"
    " && for point in $(awk '$5 !~ /^\\/(proc|sys|dev|mnt)/ {print $5}' /proc/self/mountinfo); do"
    ' mount -o remount,bind,ro "$point" || exit 1; done'
    ' && TMPDIR=/mnt exec "$@"',
    "sh",
)


def can_make_the_root_read_only() -> bool:
    """Tell whether this process may, and whether a write then really fails."""
    try:
        done = subprocess.run([*READ_ONLY_ROOT, "sh", "-c", "! touch /var/written"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0
