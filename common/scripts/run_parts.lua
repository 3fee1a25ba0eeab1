-- The listed parts of a run, oldest first. ARGV: run id. Answers JSON texts.
return redis.call('LRANGE', parts_key(ARGV[1]), 0, -1)
