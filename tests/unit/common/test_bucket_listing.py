"""Files of a bucket that other processes write too."""

from common.files import FileStore


def test_a_bucket_keeps_no_listing() -> None:
    """Given a store on S3, when it lists a folder, then nothing is kept that hides what others write there."""
    system = FileStore("s3://bucket/files")._system
    system.dircache["bucket/files/plans"] = []
    assert "bucket/files/plans" not in system.dircache
