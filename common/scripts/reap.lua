-- Take back what died and end what is late. ARGV: most jobs of each kind, max_attempts.
-- Answers {id, lane, ...} of the jobs put back, which need new messages.
local limit, max_attempts = tonumber(ARGV[1]), tonumber(ARGV[2])
local requeued = {}

for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. 'leases', '-inf', now, 'LIMIT', 0, limit)) do
  local state = redis.call('HMGET', job_key(id), 'status', 'cancel_requested', 'attempt', 'deadline_at_ms')
  if state[1] ~= 'running' then
    redis.call('ZREM', root .. 'leases', id)
  else
    redis.call('HINCRBY', root .. 'finished', 'leases_lost', 1)
    redis.call('HINCRBY', job_key(id), 'losses', 1)
    if state[2] then
      finish(id, 'cancelled', {})
    elseif state[4] and tonumber(state[4]) <= now then
      finish(id, 'expired', {reason = 'the deadline passed after its worker was lost'})
    elseif tonumber(state[3]) >= max_attempts then
      fail(id, 'poisoned', 'The worker was lost ' .. state[3] .. ' times while running this job; it is not tried again.')
    else
      requeued[#requeued + 1] = id
      requeued[#requeued + 1] = requeue(id, 'lease_expired')
    end
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. 'deadlines', '-inf', now, 'LIMIT', 0, limit)) do
  local state = redis.call('HMGET', job_key(id), 'status', 'lane', 'cost_tokens')
  redis.call('ZREM', root .. 'deadlines', id)
  -- A running job's worker watches the deadline itself; a requeue enters it here again.
  if state[1] == 'queued' then
    dequeue(id, state[2], state[3])
    finish(id, 'expired', {reason = 'the deadline passed while the job waited'})
  end
end

local expired = redis.call('ZRANGEBYSCORE', root .. 'expiring', '-inf', now, 'LIMIT', 0, limit)
for _, entry in ipairs(expired) do
  local id, caller = string.match(entry, '^(%S+) (.+)$')
  redis.call('ZREM', root .. 'jobs:' .. caller, id)
  redis.call('ZREM', root .. 'expiring', entry)
end

local hour_ms = 3600000
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', root .. 'workers_seen', '-inf', now - hour_ms)) do
  redis.call('HDEL', root .. 'workers', owner)
  redis.call('ZREM', root .. 'workers_seen', owner)
end
return requeued
