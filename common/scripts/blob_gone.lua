-- A blob was removed. ARGV: key.
return redis.call('ZREM', root .. 'doomed_blobs', ARGV[1])
