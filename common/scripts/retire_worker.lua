-- A worker says goodbye, so that nobody counts on it. ARGV: owner.
redis.call('HDEL', root .. 'workers', ARGV[1])
redis.call('ZREM', root .. 'workers_seen', ARGV[1])
return 1
