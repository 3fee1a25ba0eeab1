-- Give the oldest run that nobody feeds to a worker. ARGV: lease_ttl_ms. Answers its fields or false.
for _, id in ipairs(redis.call('ZRANGE', root .. 'runs_active', 0, 999)) do
  local held_until = tonumber(redis.call('ZSCORE', root .. 'run_leases', id) or '0')
  local wait_until = tonumber(redis.call('HGET', run_key(id), 'not_before_ms') or '0')
  if held_until <= now and wait_until <= now then
    redis.call('HINCRBY', run_key(id), 'fencing_token', 1)
    redis.call('ZADD', root .. 'run_leases', now + tonumber(ARGV[1]), id)
    return redis.call('HGETALL', run_key(id))
  end
end
return false
