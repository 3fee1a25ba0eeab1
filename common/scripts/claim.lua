-- Give the lane's next job to a worker under a lease. ARGV: owner, lease_ttl_ms, lane. Answers {now, fields} or false.
local owner, ttl_ms, lane = ARGV[1], tonumber(ARGV[2]), ARGV[3]

for _ = 1, 1000 do
  local id = redis.call('ZRANGE', waiting_key(lane), 0, 0)[1]
  if not id then return false end
  local key = job_key(id)
  local state = redis.call('HMGET', key, 'cost_tokens', 'deadline_at_ms', 'start')
  if not state[1] then
    redis.call('ZREM', waiting_key(lane), id)
    redis.call('ZREM', queued_at_key(lane), id)
  else
    dequeue(id, lane, state[1])
    if state[2] and tonumber(state[2]) <= now then
      finish(id, 'expired', {reason = 'the deadline passed while the job waited'})
    else
      local clock = math.max(tonumber(redis.call('HGET', root .. 'fair_clock', lane) or '0'), tonumber(state[3]))
      redis.call('HSET', root .. 'fair_clock', lane, clock)
      redis.call('ZREMRANGEBYSCORE', root .. 'flows:' .. lane, '-inf', clock)
      local attempt = redis.call('HINCRBY', key, 'attempt', 1)
      redis.call('HINCRBY', key, 'fencing_token', 1)
      redis.call('HSET', key, 'status', 'running', 'worker', owner, 'claimed_at_ms', now)
      redis.call('ZADD', root .. 'leases', now + ttl_ms, id)
      emit(id, 'running', {attempt = attempt, worker = owner})
      return {now, redis.call('HGETALL', key)}
    end
  end
end
return false
